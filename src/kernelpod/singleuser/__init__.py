"""What a user's server loads: `kernelpod` installed beside jupyter_server switches it on."""

from __future__ import annotations

from kernelpod.singleuser.extension import load_extension


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "kernelpod.singleuser"}]


_load_jupyter_server_extension = load_extension
