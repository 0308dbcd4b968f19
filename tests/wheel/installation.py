"""An environment with the wheel, and what its command does there."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

SECONDS = 300


@dataclass(frozen=True)
class Installed:
    """The environment of the wheel, and a folder that is far from the checkout."""

    environment: Path
    elsewhere: Path

    def run(self, *words: str, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        """What `kernelpod` does with these words."""
        variables = {"PATH": path, "HOME": str(self.elsewhere), "LANG": "C.UTF-8"}
        return subprocess.run(
            [str(self.environment / "bin" / "kernelpod"), *words],
            cwd=self.elsewhere, env=variables, capture_output=True, text=True, check=False, timeout=SECONDS,
        )  # fmt: skip

    def said(self, *words: str, path: str = "/usr/bin:/bin") -> str:
        """What it prints, having worked."""
        done = self.run(*words, path=path)
        assert done.returncode == 0, done.stderr
        return done.stdout
