"""Keeps the options of servers' commands, and of those in profiles: they may take something away from users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.hub.shell import Command, command_of
from kernelpod.importers.moves import Values
from kernelpod.importers.quoting import quoted

_COMMAND: Keys = ("singleuser", "cmd")
_PROFILES: Keys = ("singleuser", "profileList")
_OVERRIDE = "kubespawner_override"
_REPLACED = "it would replace the command of `kernelpod hub values`"
_NO_OPTION = "servers get options only, and none of a gateway's"


def keep_options(values: Values) -> None:
    """Keep options of the command in the arguments of servers, and those of profiles in their own.

    A profile's `cmd` took the place of the command, and its `args` that of the arguments.
    """
    command, given = command_of(values.get(_COMMAND)), values.get(_COMMAND)
    keys: Keys = next(
        (one for section in ("KubeSpawner", "Spawner") if values.has(one := ("hub", "config", section, "args"))),
        ("hub", "config", "Spawner", "args"),
    )
    others = values.get(keys) or []
    place = ".".join(map(str, keys))
    is_list = isinstance(others, list)
    _of_profiles(values, command.options if is_list else [], others if is_list else [])
    if command.text is not None:
        began = values.came_from(_COMMAND)
        _note_text(values, (*began, command.text), given[command.text], command, place)
    if not command.options or not is_list:
        return
    for number in command.places:
        values.made.note((*values.came_from(_COMMAND), number), "changed", f"it is in {place} now")
    if others:
        values.note(keys, "changed", "with the options of the command")
        values.pop(keys)
    values.put(keys, [*command.options, *others], keys)


def with_generated(values: Values, generated: list[str]) -> None:
    """Add the generated arguments to those of the spawner and of profiles, which would replace them."""
    sections: list[Keys] = [("hub", "config", section) for section in ("Spawner", "KubeSpawner")]
    found = [(keys, values.section(keys)) for keys in sections]
    for keys, section in [*found, *_overrides(values.get(_PROFILES), _PROFILES)]:
        if isinstance(given := section.get("args"), list):
            given.extend(one for one in generated if one not in given)
            values.note((*keys, "args"), "changed", "with the arguments that kernelpod gives to servers")


def _note_text(values: Values, began: Keys, text: Any, command: Command, place: str) -> None:
    """Say what became of a text that a shell ran before a server or as one."""
    if command.more:
        taken = f"its options are in {place} now; " if command.options else ""
        why = f"{taken}put what else it does into the image or into a postStart hook of servers: "
        why += quoted(str(text))
        values.made.note(began, "left", why)
    elif command.options:
        values.made.note(began, "changed", f"its options are in {place} now")


def _of_profiles(values: Values, options: list[str], arguments: list[Any]) -> None:
    """Give each profile, and each choice in it, the options that it had."""
    profiles = values.get(_PROFILES)
    for number, profile in enumerate(profiles) if isinstance(profiles, list) else ():
        own = _Base(options, arguments)
        for keys, override in _overrides(profile, (*_PROFILES, number)):
            is_profiles = keys == (*_PROFILES, number, _OVERRIDE)
            found = _take(values, keys, override, own)
            if is_profiles:
                own = found


class _Base:
    """The options of a command and the arguments, which an override may replace."""

    def __init__(self, options: list[str], arguments: list[Any]) -> None:
        self.options, self.arguments = options, arguments

    def whole(self) -> list[Any]:
        return [*self.options, *self.arguments]


def _overrides(value: Any, keys: Keys) -> Iterator[tuple[Keys, dict[str, Any]]]:
    """Yield the overrides in a profile, its own one first."""
    if isinstance(value, dict) and isinstance(value.get(_OVERRIDE), dict):
        yield (*keys, _OVERRIDE), value[_OVERRIDE]
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        if key != _OVERRIDE:
            yield from _overrides(one, (*keys, key))


def _take(values: Values, keys: Keys, override: dict[str, Any], base: _Base) -> _Base:
    """Take the command of an override, and clean its arguments; return what servers have by it."""
    if not {"cmd", "args"} & override.keys():
        return base
    made = _Base(base.options, base.arguments)
    place = ".".join(map(str, values.came_from((*keys, "args"))))
    if "cmd" in override:
        given = override.pop("cmd")
        values.note((*keys, "cmd"), "dropped", _REPLACED)
        command = command_of(given)
        made.options = command.options if given is not None else base.options
        for number in command.places:
            values.note((*keys, "cmd", number), "changed", f"it is in {place} now")
        if command.text is not None:
            _note_text(values, values.came_from((*keys, "cmd", command.text)), given[command.text], command, place)
    if "args" in override:
        made.arguments = _arguments(values, (*keys, "args"), override.pop("args"), base)
    if made.whole() != base.whole():
        override["args"] = made.whole()
    return made


def _arguments(values: Values, keys: Keys, given: Any, base: _Base) -> list[Any]:
    """Return the arguments of a profile that servers may have."""
    if not isinstance(given, list):
        values.note(keys, "dropped", "a list was expected here")
        return base.arguments
    found = command_of(["jupyterhub-singleuser", *given])
    kept = sorted(number - 1 for number in found.places)
    for number in range(len(given)):
        if number in kept:
            values.note(
                (*keys, number), "changed", "it is an argument of this profile, with the command's options"
            )
        else:
            values.note((*keys, number), "dropped", _NO_OPTION)
    if not given:
        values.note(keys, "changed", "the profile has the command's options only")
    return [given[number] for number in kept]
