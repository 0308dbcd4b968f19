"""Which sections of a hub's configuration set a trait, in which order, and the spellings of one trait.

traitlets gives an object the sections of its class and of all base classes. The class itself has the last word for
each trait: a mapping replaces that of a base class.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kernelpod.findings.yamlfile import Keys

# Sections by the place of their class among those that an object is made of: a higher one has the last word.
_EVERYWHERE = {"Configurable": 0, "LoggingConfigurable": 1}
_APPLICATION = {**_EVERYWHERE, "SingletonConfigurable": 2, "Application": 3, "JupyterHub": 4}
SPAWNER, KUBESPAWNER = 2, 3
OF_KUBESPAWNER = {**_EVERYWHERE, "Spawner": SPAWNER, "KubeSpawner": KUBESPAWNER}
OF_PODSPAWNER = {**OF_KUBESPAWNER, "KernelpodSpawner": 4, "PodSpawner": 5}
# A file does not say which of our hubs it is for, so each section counts.
OUR_SPAWNERS = dict.fromkeys((*OF_PODSPAWNER, "LocalProcessSpawner", "SandboxSpawner"), 0)
_NO_AUTHENTICATORS = ("CryptKeeper", "Proxy", "ConfigurableHTTPProxy")
# KubeSpawner's former names of traits. In a section they count only where the new name is absent.
_FORMER = re.compile(r"singleuser_(?=.)|user_(?=storage_)")
# Traits of KubeSpawner that hold objects of Kubernetes, and how deep below the trait their fields are. It takes
# these fields in the spelling of Kubernetes and in that of Python.
_FIELDS = {
    "extra_pod_config": 0,
    "extra_container_config": 0,
    "container_security_context": 0,
    "pod_security_context": 0,
    "volumes": 1,
    "volume_mounts": 1,
    "init_containers": 1,
}


class Setting(NamedTuple):
    """A trait as one place of a file sets it."""

    keys: Keys
    """The place in the file."""
    path: Keys
    """What is configured, `Spawner`, `JupyterHub` or `Authenticator`, and the trait."""
    order: tuple[int, int]
    """The place of the section's class, and when the section is set. The highest one has the last word."""
    value: Any


def settings_of(config: Any, above: Keys, spawners: Mapping[str, int]) -> Iterator[Setting]:
    """Yield the traits of sections. `spawners` are those that the hub's spawner is made of."""
    for section, traits in config.items() if isinstance(config, dict) else ():
        for kind, rank in _kinds(str(section), spawners):
            for name, value in traits.items() if isinstance(traits, dict) else ():
                trait, is_former = _named(kind, str(name))
                yield Setting((*above, section, name), (kind, trait), (rank, -1 if is_former else 1), value)


def overridden(value: Any, keys: Keys) -> Iterator[tuple[Keys, Keys, Any]]:
    """Yield the place, the path and the value of traits that profiles, and choices in them, override."""
    if not isinstance(value, (dict, list)):
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if key == "kubespawner_override" and isinstance(inner, dict):
            for name, one in inner.items():
                yield (*keys, key, name), ("Spawner", _named("Spawner", str(name))[0]), one
        else:
            yield from overridden(inner, (*keys, key))


def spelled(path: Keys, value: Any) -> tuple[Keys, Any]:
    """Return a path and a value with fields of Kubernetes in its own spelling, such as `hostUsers`."""
    depth = _FIELDS.get(str(path[1])) if path[:1] == ("Spawner",) and len(path) > 1 else None
    if depth is None:
        return path, value
    field = depth + 2
    if len(path) > field:
        return (*path[:field], _of_kubernetes(path[field]), *path[field + 1 :]), value
    return path, _with_fields(value, field - len(path))


def _with_fields(value: Any, below: int) -> Any:
    if isinstance(value, list):
        return [_with_fields(one, below - 1) for one in value]
    if not isinstance(value, dict):
        return value
    if below > 0:
        return {key: _with_fields(one, below - 1) for key, one in value.items()}
    return {_of_kubernetes(key): one for key, one in value.items()}


def _of_kubernetes(field: Any) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), str(field))


def _kinds(section: str, spawners: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    if section in spawners:
        yield "Spawner", spawners[section]
    if section in _APPLICATION:
        yield "JupyterHub", _APPLICATION[section]
    if section in _EVERYWHERE or not (
        section in _APPLICATION or section in _NO_AUTHENTICATORS or section.endswith("Spawner")
    ):
        # Only where JupyterHub is installed it is known which of these classes the hub's authenticator is made of.
        yield "Authenticator", 0


def _named(kind: str, trait: str) -> tuple[str, bool]:
    """Return the present name of a trait, and whether it was given by a former one."""
    new = _FORMER.sub("", trait, count=1) if kind == "Spawner" and _FORMER.match(trait) else trait
    if kind == "Spawner" and new == "image_spec":
        new = "image"
    return new, new != trait
