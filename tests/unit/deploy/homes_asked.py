"""Asks `kernelpod homes`, and a shell of somebody who is not root."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner, Result

from kernelpod.base import shells
from kernelpod.base.shells import LocalShell
from kernelpod.cli.main import main


class Other(LocalShell):
    """A shell of somebody who is not root."""

    def run(self, script: str, *words: str, given: bytes = b"", seconds: float = 60) -> bytes:
        other = ["setpriv", "--reuid=4711", "--regid=4711", "--clear-groups"]
        return shells.asked([*other, "sh", "-c", script, "sh", *words], given, seconds)


def asked(tmp_path: Path, *words: str, **sections: Any) -> Result:
    """Return what `kernelpod homes` says with these settings."""
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(sections), encoding="utf-8")
    return CliRunner().invoke(main, ["homes", *words, "--settings", str(tmp_path / "settings.yaml")])
