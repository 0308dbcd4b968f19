"""Runs the demo with culling until its standard input ends.

The first line it writes is JSON: where it is. Each line it reads names what to do, and it answers when that is
done.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from kernelpod.demo import config
from kernelpod.demo import stack as demo

CHECKOUT = Path(__file__).parents[2]


def run(idle_seconds: float) -> None:
    """Run the demo where kernels may be idle for so long."""
    settings = config.settings

    def with_culling(stack: demo.Stack) -> dict[str, Any]:
        return {**settings(stack), "culling": {"idle_seconds": idle_seconds}, "start": {"grace_period_seconds": 4}}

    config.settings = with_culling
    with demo.running_stack(CHECKOUT, None, lambda text: print(text, file=sys.stderr)) as stack:
        about = {"url": stack.url, "password": stack.password, "homes": stack.homes, "logs": stack.logs_folder}
        about |= {"settings": stack.settings_file, "state": stack.state / "k"}
        print(json.dumps(about, default=str), flush=True)
        does = {
            "kill the gateway": stack.kill_gateway,
            "start the gateway": stack.start_gateway,
            "kill the hub": lambda: kill_hub(stack),
            "start the hub": stack.start_hub,
        }
        for line in sys.stdin:
            does[line.strip()]()
            print("done", flush=True)


def kill_hub(stack: demo.Stack) -> None:
    """End hub and proxy the hard way, as the end of their pod would; servers live elsewhere."""
    proxy = int((stack.state / "proxy.pid").read_text(encoding="utf-8"))
    stack.processes["hub"].kill()
    stack.processes["hub"].wait(demo.STOP_TIMEOUT_SECONDS)
    # An orphan of the hub is a child of this process now.
    os.kill(proxy, signal.SIGKILL)
    os.waitpid(proxy, 0)


if __name__ == "__main__":
    run(float(sys.argv[1]))
