"""A home on this machine that the hub can neither make nor open: the start ends with a sentence."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.errors import OF_FOLDERS, StartFailed
from kernelpod.homes.mounts import mounts_for
from kernelpod.settings.sections import Settings


@pytest.mark.hub
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize(("makes", "by"), [(True, "make_below"), (False, "open_below")])
def test_what_the_storage_refuses_is_said(
    monkeypatch: pytest.MonkeyPatch, makes: bool, by: str, reason: int
) -> None:
    from kernelpod.hub.spawners import sandbox

    def refused(*_: Any) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(sandbox, by, refused)
    settings = Settings.model_validate({"homes": {"root": "/homes", "create_local": makes}})
    has = SimpleNamespace(mounts=mounts_for(settings, "hub", "alice", ()), uid=1000, gid=100)
    of_alice: Any = SimpleNamespace(settings=settings, course_access=None)
    with pytest.raises(StartFailed, match=f"can be neither made nor opened: {os.strerror(reason)}") as error:
        sandbox.SandboxSpawner._ensure_folders(of_alice, has)  # type: ignore[arg-type]
    assert error.value.code in OF_FOLDERS
