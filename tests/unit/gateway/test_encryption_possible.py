"""What keeps the gateway from starting."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")

from kernelpod.errors import SettingsError
from kernelpod.gateway import encryption
from kernelpod.settings.sections import Settings


@pytest.mark.parametrize(("wished", "starts"), [("required", False), ("preferred", False), ("off", True)])
def test_a_gateway_whose_zeromq_cannot_encrypt_says_so(
    wished: str, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_curve(capability: str) -> bool:
        return capability != "curve"

    monkeypatch.setattr(encryption.zmq, "has", without_curve)
    settings: Any = Settings.model_validate({"kernels": {"encryption": wished}})
    if starts:
        encryption.check_encryption(settings)
    else:
        with pytest.raises(SettingsError, match=r"set kernels\.encryption to off"):
            encryption.check_encryption(settings)
