"""Checks that the users whom a deployment names may log in at its hub."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from kernelpod.errors import SettingsError
from kernelpod.settings.origins import listed_users

_LISTS = ("allowed_users", "admin_users")


def check_names(config: dict[str, Any], others: Iterable[str | None] = ()) -> None:
    """Check the users in a hub's configuration, and `others`, against its patterns of user names.

    A hub does not start if one of its users does not match. Raises SettingsError, which names all that do not.
    """
    sections = {name: traits for name, traits in config.items() if isinstance(traits, dict)}
    names = {name for traits in sections.values() for key in _LISTS for name in listed_users(traits.get(key))}
    names |= {name for name in others if name}
    for section, traits in sections.items():
        pattern = traits.get("username_pattern") or ""
        try:
            # As JupyterHub does: from the beginning, and names are in lower case.
            wrong = sorted(name for name in names if not re.match(pattern, name.lower()))
        except (re.error, TypeError) as error:
            raise SettingsError(f"hub.config.{section}.username_pattern: this is no regular expression") from error
        if wrong:
            raise SettingsError(
                f"hub.users, hub.admin_users, smoke.user: {', '.join(wrong)}: these names may not log in, because "
                f"they do not match {pattern} ({section}.username_pattern), and the hub would not start. "
                "Charts of Zero to JupyterHub before 4.0 allow only plain names; use a newer chart or other names"
            )
