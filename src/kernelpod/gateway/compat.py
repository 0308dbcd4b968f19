"""Supplies the one function of `distutils` that Enterprise Gateway imports, and Python 3.12 and newer lack.

On every Python: where setuptools is installed, all of it would be loaded to answer for `distutils`, and an idle
gateway has no use for that memory. Source: the module level of enterprise_gateway 3.3.0, mixins.py, which reads
EG_TRUST_XHEADERS with it; jupyter_client 6.1.12 and jupyter_server 1.24 import nothing that was removed.
"""

from __future__ import annotations

import sys
from types import ModuleType

YES = ("y", "yes", "t", "true", "on", "1")
NO = ("n", "no", "f", "false", "off", "0")


def strtobool(word: str) -> int:
    """Return 1 or 0, as `distutils.util.strtobool` did; raises ValueError for a word that is neither."""
    if word.lower() not in YES + NO:
        raise ValueError(f"invalid truth value {word.lower()!r}")
    return int(word.lower() in YES)


def supply_distutils() -> None:
    """Put a `distutils.util` with that function in place, unless something has imported the real one already."""
    if "distutils" in sys.modules:
        return
    package = sys.modules["distutils"] = ModuleType("distutils", "One function: kernelpod.gateway.compat")
    util = sys.modules["distutils.util"] = ModuleType("distutils.util")
    vars(util)["strtobool"] = strtobool
    vars(package)["util"] = util
