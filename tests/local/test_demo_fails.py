"""The demo where servers cannot start: what it says, and how soon it gives up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernelpod.demo.order import AFTERWARDS, SCENARIO, Check

CHECKOUT = Path(__file__).resolve().parents[2]
# The demo's own process, since it ends all that is below it. No server understands this argument.
BROKEN = """
import sys
from pathlib import Path
from kernelpod.demo import check, config
made = config.hub_config
config.hub_config = lambda stack: made(stack) + "\\nc.Spawner.args = ['--ServerApp.port=nowhere']\\n"
sys.exit(check.run_check(Path(sys.argv[1]), lambda text: None, as_json=True))
"""


def can_be_made(check: Check, failed: str) -> bool:
    """Return whether a check builds on none that failed."""
    of = {one.run: one for one in SCENARIO}
    return all(of[need].name != failed and can_be_made(of[need], failed) for need in check.needs)


@pytest.mark.local
def test_a_server_that_does_not_start_shows_its_log_and_is_waited_for_once(tmp_path: Path, need: Any) -> None:
    need((CHECKOUT / ".envs" / "hub" / "bin" / "jupyterhub").exists(), "the hub environment", "make env")
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(CHECKOUT)],
        env={**os.environ, "TMPDIR": str(tmp_path), "CI": ""},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert list(found) == [check.name for check in (*SCENARIO, *AFTERWARDS)]
    first = SCENARIO[0].name
    (logs,) = tmp_path.glob("kernelpod-logs-*")
    assert f"the end of {logs}/server-alice.log:\n" in found[first]["detail"]
    assert "nowhere" in found[first]["detail"]
    for check in SCENARIO[1:]:
        if not can_be_made(check, first):
            assert (found[check.name]["outcome"], found[check.name]["detail"]) == (
                "skipped",
                f'because "{first}" failed',
            )
    assert {found[check.name]["outcome"] for check in AFTERWARDS} == {"ok"}
    assert [path for path in tmp_path.iterdir() if path != logs] == []
