"""`python -m bench.counted gateway ...`: the command `kernelpod`, whose tasks of the event loop can be counted.

On SIGUSR2 it writes their number to the file that the environment variable names. Nothing else is changed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from kernelpod.cli.main import main

FILE_VARIABLE = "BENCH_TASKS_FILE"


def write_count(_signum: int, _frame: object) -> None:
    """Write the number of tasks; the file appears at once and whole."""
    file = Path(os.environ[FILE_VARIABLE])
    part = file.with_suffix(".part")
    part.write_text(str(len(asyncio.all_tasks())), encoding="ascii")
    part.replace(file)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, write_count)
    sys.exit(main())
