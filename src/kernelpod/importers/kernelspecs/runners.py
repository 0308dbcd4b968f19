"""Reads what an old kernelspec says of how and for whom it ran: `process_proxy` and `kernel_provisioner`."""

from __future__ import annotations

from typing import Any

from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.moves import Values

# Of Enterprise Gateway, and of Jupyter and Gateway Provisioners.
_RUNNERS = ("process_proxy", "kernel_provisioner")
_STANZA: Keys = ("metadata", "kernelpod")
_IMAGE: Keys = (*_STANZA, "image")
_GROUPS: Keys = (*_STANZA, "groups")
_USERS = ("authorized_users", "unauthorized_users")


def move_runners(values: Values, image: str, groups: tuple[str, ...]) -> bool:
    """Move image and groups into the stanza, and drop what ran the kernel. Return whether anything else ran it.

    `image` and `groups` are the admin's, and take the place of what kernel.json says.
    """
    _given(values, _IMAGE, image, "--image")
    _given(values, _GROUPS, list(groups), "--group")
    runners = [("metadata", name) for name in _RUNNERS if values.has(("metadata", name))]
    if runners:
        _image(values, ("env", "KERNEL_IMAGE"))
    for runner in runners:
        _image(values, (*runner, "config", "image_name"))
        for key in _USERS:
            _users(values, (*runner, "config", key))
        for key in list(values.section((*runner, "config"))):
            values.drop((*runner, "config", key), "kernelspecs have no such setting")
        values.drop(runner, "the settings decide where kernels run")
    return bool(runners)


def _given(values: Values, keys: Keys, value: Any, option: str) -> None:
    if value:
        values.drop(keys, f"{option} takes its place")
        values.put(keys, value, keys)


def _image(values: Values, keys: Keys) -> None:
    if values.get(_IMAGE):
        values.drop(keys, "metadata.kernelpod.image is set otherwise")
    else:
        values.drop(_IMAGE, "it is empty")
        values.move(keys, _IMAGE)


def _users(values: Values, keys: Keys) -> None:
    """Ask before a kernelspec of some users becomes one of everybody."""
    if not values.get(keys):
        values.drop(keys, "it names nobody")
        return
    if values.get(_GROUPS):
        why = "kernelspecs name hub groups, not users: those of metadata.kernelpod.groups may use it"
    else:
        why = "kernelspecs name hub groups, not users: without metadata.kernelpod.groups everybody may use it"
        asked = "everybody could use the kernelspec; give it to hub groups with --group, and put these users there"
        values.ask("everybody", keys, asked)
    values.drop(keys, why)
