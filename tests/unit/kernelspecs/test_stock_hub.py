"""docs/stock.md tells a hub how to sign identities; the lines there do."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.kernelspecs.stock.signed_identity import read_signed_identity
from kernelpod.settings.sections import Settings
from pages import texts

pytestmark = pytest.mark.hub

KEY = "k" * 32


def test_the_documented_lines_make_a_signed_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    from traitlets.config import Config

    from kernelpod.hub.config import configure

    settings, c = Settings.model_validate({"homes": {"root": "/homes"}}), Config()
    configure(c, settings)
    monkeypatch.setenv("KERNELPOD_IDENTITY_KEY", KEY)
    [lines] = texts("stock", "python")
    scope: dict[str, Any] = {"c": c, "settings": settings}
    exec(lines, scope)  # noqa: S102 - our own page
    spawner = SimpleNamespace(user=SimpleNamespace(name="Alice", groups=[]), name="exam", api_token="t")
    environment = c.Spawner.environment.get_value({})
    claim = read_signed_identity(KEY, environment["KERNEL_SIGNED_IDENTITY"](spawner), time.time())
    assert claim[:5] == ("Alice", "exam", environment["KERNEL_PATH"](spawner), 1000, 100)
    assert environment["JUPYTER_GATEWAY_AUTH_TOKEN"] == ""
