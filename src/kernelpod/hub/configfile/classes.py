"""Finds the classes that a hub's configuration can name: JupyterHub's, installed ones and those the file chooses.

Entry points and dotted paths are imported when they are named, as the hub would do. No class is instantiated.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from jupyterhub.app import JupyterHub
from jupyterhub.auth import LocalAuthenticator
from jupyterhub.crypto import CryptKeeper
from traitlets.config import Configurable
from traitlets.utils.importstring import import_item

# Traits of JupyterHub that choose a class.
CHOICES = ("authenticator_class", "spawner_class", "proxy_class")
# Classes that a hub in the cluster uses even if the file does not name them.
_FURTHER = (
    "kubespawner.KubeSpawner",
    "kernelpod.hub.spawners.pod.PodSpawner",
    "kernelpod.hub.spawners.sandbox.SandboxSpawner",
)


class NotAClass(Exception):
    """A named class does not exist or has the wrong base class. The text says why."""


@dataclass
class Known:
    """The classes that sections may name, and those that the file chooses."""

    by_name: dict[str, type[Any]] = field(default_factory=dict)
    chosen: dict[str, type[Any]] = field(default_factory=dict)
    loaders: dict[str, Callable[[], type[Any]]] = field(default_factory=dict)
    """Import functions of installed classes by name. Importing all of them takes seconds."""

    def names(self) -> list[str]:
        """Return the names that sections may have."""
        return [*self.by_name, *self.loaders]

    def find(self, name: str) -> type[Any] | None:
        """Return the class of this name, or None if it does not exist or cannot be imported."""
        if name not in self.by_name and name in self.loaders:
            with contextlib.suppress(Exception):  # an import can raise any exception
                self.add(self.loaders[name]())
        return self.by_name.get(name)

    def add(self, kind: type[Any]) -> None:
        """Add a class and its base classes, because sections may name any of them."""
        for one in kind.__mro__:
            if issubclass(one, Configurable):
                self.by_name.setdefault(one.__name__, one)

    def choose(self, trait: str, kind: type[Any]) -> None:
        """Add a class that the file chooses. It replaces another class of the same name."""
        self.chosen[trait] = kind
        self.by_name[kind.__name__] = kind
        self.add(kind)

    def having(self, trait: str) -> Iterator[str]:
        """Yield the names of the chosen classes that have a trait."""
        return (kind.__name__ for kind in self.chosen.values() if trait in kind.class_traits(config=True))


def installed() -> Known:
    """Return JupyterHub's classes and every installed authenticator, spawner and proxy."""
    known = Known()
    for kind in (JupyterHub, CryptKeeper, LocalAuthenticator):
        known.add(kind)
    for path in _FURTHER:
        known.loaders[path.rpartition(".")[2]] = functools.partial(import_item, path)
    for choice in CHOICES:
        known.loaders.update({entry.attr: entry.load for entry in _registered(choice).values()})
    return known


def named(choice: str, value: str) -> type[Any]:
    """Return the class that a value names, by entry point or dotted path. Raises NotAClass."""
    registered = _registered(choice)
    entry = registered.get(value.lower())
    if entry is None and "." not in value:
        near = difflib.get_close_matches(value.lower(), registered, n=1)
        hint = f"did you mean {near[0]}?" if near else f"installed are {', '.join(sorted(registered))}"
        raise NotAClass(f"{value!r} is neither installed nor a dotted path to a class; {hint}")
    try:
        kind = entry.load() if entry else import_item(value)
    except Exception as error:  # an import can raise any exception
        said = " ".join(str(error).split())
        raise NotAClass(
            f"{value!r} cannot be imported ({type(error).__name__}: {said}); install its package where the hub "
            "runs, or correct the path"
        ) from error
    wanted = JupyterHub.class_traits()[choice].klass
    if not (isinstance(kind, type) and issubclass(kind, wanted)):
        raise NotAClass(f"{value!r} is not a subclass of {wanted.__name__}")
    return kind


def default(choice: str) -> type[Any]:
    """Return the class that the hub uses if the file chooses none."""
    kind = JupyterHub.class_traits()[choice].default_value
    return kind if isinstance(kind, type) else named(choice, kind)


def _registered(choice: str) -> dict[str, EntryPoint]:
    group = JupyterHub.class_traits()[choice].entry_point_group
    return {entry.name.lower(): entry for entry in entry_points(group=group)}
