"""Converts hubs without Helm to a file of traits, as KERNELPOD_HUB_CONFIG names it, and to settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from kernelpod.findings.finding import FindingsError
from kernelpod.findings.yamlfile import Keys, dotted, read_tree
from kernelpod.hub.servers import arguments
from kernelpod.importers.hub.auth import move_renamed
from kernelpod.importers.hub.broken import KUBESPAWNERS
from kernelpod.importers.hub.commands import keep_options, with_generated
from kernelpod.importers.hub.secrets import SECRETS, take_secrets
from kernelpod.importers.hub.spawner import VALUES, move_traits
from kernelpod.importers.hub.values import Options, check_settings, settings_of, write_settings
from kernelpod.importers.moves import Values
from kernelpod.importers.plain.docker import SECTIONS, take_docker
from kernelpod.importers.plain.pythonfile import Left, read_python
from kernelpod.importers.report import Imported, ImportingError, Note, Question
from kernelpod.settings.sections import Settings

TRAITS = "config.yaml"
LEFT = "left.py"
_HEAD = f"""\
# The secrets of {TRAITS}, by class and trait. Put each into a file or a variable, and name that in {TRAITS}
# with from_file or from_env (docs/logins.md). Keep this file out of repositories.
"""
_SPAWNER: Keys = ("hub", "config", "JupyterHub", "spawner_class")
_BLOCKS = re.compile(r"\bblocked_users\b|\bblacklist\b")
_STORAGE = "singleuser.storage.type"
# TLJH ends idle servers after so many seconds unless it is told otherwise.
_TLJH_SECONDS = 600
_TLJH = {
    "users.admin": "hub.config.Authenticator.admin_users",
    "users.allowed": "hub.config.Authenticator.allowed_users",
    "users.banned": "hub.config.Authenticator.blocked_users",
    "limits.memory": "hub.config.Spawner.mem_limit",
    "limits.cpu": "hub.config.Spawner.cpu_limit",
    "auth.type": "hub.config.JupyterHub.authenticator_class",
    "base_url": "hub.config.JupyterHub.base_url",
    "services.cull.enabled": "cull.enabled",
    "services.cull.timeout": "cull.timeout",
    "services.cull.every": "cull.every",
    "services.cull.concurrency": "cull.concurrency",
    "services.cull.max_age": "cull.maxAge",
    "services.cull.users": "cull.users",
}
_APPS = {"jupyterlab": "/lab", "classic": "/tree", "notebook": "/tree"}
# Sections of TLJH's file, and what becomes of what is not moved.
TLJH_SECTIONS = {
    "users": "TLJH made these groups of the machine; set groups in the authenticator, or use courses",
    "limits": "a server has memory and CPU only",
    "auth": "it is no section of an authenticator",
    "https": "see docs/https.md for certificates",
    "http": "the address and port are those of the new hub's proxy",
    "services": "it is a service of TLJH itself",
    "user_environment": "the image of servers decides what they open",
    "traefik_api": "it is TLJH's own proxy",
    "base_url": "it is not a path",
}


def imported_python(file: Path, options: Options) -> Imported:
    """Return `config.yaml`, `settings.yaml` and `left.py` for a jupyterhub_config.py. Raises ImportingError."""
    read = read_python(file)
    # Imports, names and comments are no values; they are in left.py if something else is.
    others = [_fate(left) for left in read.left if not left.silent or not left.code]
    made = Imported(read.tree, others)
    for left in read.left:
        if not left.silent and _BLOCKS.search(left.code):
            why = "it may say who is blocked, and is not known without executing it"
            made.questions.append(Question("everybody", Note(left.spot, left.what, "question", why)))
    values = Values(made)
    if code := read.code():
        made.files[LEFT] = f"# What `kernelpod import` of {file.name} did not evaluate.\n{code}".encode()
        made.private.add(LEFT)  # code may hold secrets
    spawner = values.get(_SPAWNER)
    if spawner in KUBESPAWNERS:
        values.drop(_SPAWNER, "the hub of kernelpod sets its spawner")
    elif spawner is not None:
        values.drop(_SPAWNER, "the hub of kernelpod starts servers itself, as pods or in sandboxes", "left")
    pvc = any(
        values.get(("hub", "config", one, "storage_pvc_ensure")) is True for one in ("Spawner", "KubeSpawner")
    )
    values.put(_STORAGE, "dynamic" if pvc else "none", _STORAGE)
    for section in ("Spawner", "KubeSpawner"):
        values.drop(("hub", "config", section, "storage_pvc_ensure"), "homes of the settings say it", "changed")
    lost = "" if spawner in KUBESPAWNERS else str(spawner or "the hub's spawner")
    for section in () if lost else SECTIONS:
        values.drop(("hub", "config", section), "another spawner is set")
    return _finished(made, values, options, take_docker(values), lost)


def _fate(left: Left) -> Note:
    if left.silent:
        return Note(left.spot, left.what, "dropped", "a later line sets it again")
    return Note(
        left.spot, left.what, "left", f"its value is not known without executing it; the code is in {LEFT}"
    )


def imported_tljh(file: Path, options: Options) -> Imported:
    """Return `config.yaml` and `settings.yaml` for TLJH's config.yaml. Raises ImportingError."""
    try:
        made = Imported(read_tree(file, "users: and limits:"))
    except FindingsError as error:
        raise ImportingError("\n".join(finding.as_text() for finding in error.findings)) from error
    values = Values(made)
    for old, new in _TLJH.items():
        values.move(old, new)
    for name, section in list(values.section("auth").items()):
        if isinstance(section, dict):
            values.move(("auth", name), ("hub", "config", name))
    if not values.has("hub.config.JupyterHub.authenticator_class"):
        why = "TLJH's own authenticator let users choose a password at their first login; set another one"
        values.made.note((), "warning", why)
    _first_page(values)
    for key in [key for key in values.data if key not in ("hub", "cull")]:
        why = TLJH_SECTIONS.get(key, "TLJH has no such section")
        values.drop((key,), why, "left" if key in ("users", "https") else "dropped")
    if not values.section("cull"):
        values.put("cull.timeout", _TLJH_SECONDS, "services.cull.timeout")
        made.note(("services", "cull"), "added", f"culling.idle_seconds is {_TLJH_SECONDS}, as in TLJH")
    made.ask("homes-move", (), "the home of alice was /home/jupyter-alice, and it would be alice below homes.root")
    values.put(_STORAGE, "none", _STORAGE)
    return _finished(made, values, options, {"homes": {"root": "/home"}})


def _first_page(values: Values) -> None:
    app = values.get("user_environment.default_app")
    if isinstance(app, str) and app in _APPS:
        key = "user_environment.default_app"
        values.pop(key)
        values.put("hub.config.Spawner.default_url", _APPS[app], key)
        values.note(key, "changed", f"hub.config.Spawner.default_url is {_APPS[app]}")


def _finished(made: Imported, values: Values, options: Options, known: dict[str, Any], lost: str = "") -> Imported:
    """Convert the hub's traits as those of the chart, and write the rest of them as traits again.

    `known` are settings that are known already; they take precedence. `lost` is a spawner that may have had homes
    of which the file says nothing.
    """
    move_renamed(values)
    move_traits(values, say=False)
    keep_options(values)
    settings = settings_of(values, options.version, options.nfs) | known
    check_settings(made, settings)
    with_generated(values, arguments(Settings.model_validate(settings)))
    if lost and settings.get("homes", {}).get("volume") == {"kind": "none"}:
        why = f"where {lost} had homes is not known, and servers would have folders that are deleted as they end"
        values.ask("homes-move", _SPAWNER, why)
    values.drop("cull", "culling.idle_seconds of the settings culls servers and kernels")
    for trait, place in VALUES.items():
        if values.has(place):
            began = values.came_from(tuple(place.split(".")))
            values.put(("hub", "config", "KubeSpawner", trait), values.pop(place), began)
    if secrets := take_secrets(values):
        made.write_yaml(SECRETS, secrets["hub"]["config"], _HEAD)
        made.private.add(SECRETS)
    made.unchanged |= set(values.unchanged())
    sections: dict[str, Any] = values.section("hub.config")
    made.write_yaml(TRAITS, sections)
    write_settings(made, settings)
    # What was put there for the conversion is no value of the source.
    given = {dotted(keys) for keys in made.tree.spots}
    made.notes = [note for note in made.notes if note.change == "added" or note.key in given]
    return made
