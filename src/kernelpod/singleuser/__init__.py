"""The extension of users' servers. Installing `kernelpod` in the environment of jupyter_server enables it."""

from __future__ import annotations

from kernelpod.singleuser.extension import link_extension, load_extension


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "kernelpod.singleuser"}]


_link_jupyter_server_extension = link_extension
_load_jupyter_server_extension = load_extension
