"""Finds variables in the values of `env`, which Jupyter fills in and a pod does not."""

from __future__ import annotations

import re

# In lower case only with braces: a `$` in a regular expression or a password is mostly no variable.
_VARIABLE = re.compile(r"(?<![\\$])(?:\$\$)*\$(?:\{([A-Za-z_]\w*)\}|([A-Z_][A-Z0-9_]+)\b)")
# A hash of a password, such as $6$SALT$...
_HASH = re.compile(r"\$[0-9a-z-]+\$")
# Shells fill these in by themselves, at each prompt.
_PROMPTS = re.compile(r"PS\d|PROMPT_COMMAND")


def variables_in(name: str, value: str) -> list[str]:
    """Return the names of variables in the value of an environment variable."""
    if _HASH.match(value) or _PROMPTS.fullmatch(name):
        return []
    return [braced or bare for braced, bare in _VARIABLE.findall(value)]
