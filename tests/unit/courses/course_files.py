"""Where the good and the bad courses files of the tests are, and how one is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
BAD = ROOT / "tests" / "hub" / "bad"
EXAMPLES = ROOT / "hub"
# By file: line and column of each finding, and words of its sentence.


def write(folder: Path, name: str, data: dict[str, Any]) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path
