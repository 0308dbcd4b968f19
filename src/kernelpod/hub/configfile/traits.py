"""Reads a hub's configuration by class and trait from YAML, and checks all of it before it sets anything.

The format is that of `hub.config` in Zero to JupyterHub: `{Authenticator: {admin_users: [carol]}}`. Text can come
from a file or the environment: `client_secret: {from_file: /run/secrets/oidc}`, or `{from_env: NAME}`.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from traitlets import TraitError, TraitType

from kernelpod.base.files import read_ordinary
from kernelpod.findings.finding import Finding, FindingsError
from kernelpod.findings.secrets import names_secret
from kernelpod.findings.yamlfile import YamlTree, read_tree
from kernelpod.hub.configfile import database
from kernelpod.hub.configfile.classes import CHOICES, Known, NotAClass, default, installed, named
from kernelpod.hub.configfile.forms import forms, misplaced
from kernelpod.hub.configfile.joined import joined, rank, wrong

FROM_FILE, FROM_ENV = "from_file", "from_env"
MAX_SECRET_BYTES = 65536
# Sets of user names. YAML does not read 1234, no and null as text, and the hub then fails with a traceback.
_NAMES = ("admin_users", "allowed_users", "blocked_users")
_DATABASE = ("JupyterHub", "db_url")
_OUTDATED = re.compile(r"\W*(?:\w+\W+is )?(?:deprecated|removed)\b", re.IGNORECASE)
_log = logging.getLogger(__name__)


def configure_from(c: Any, path: Path) -> None:
    """Apply a file to the hub's configuration `c`. Raises FindingsError, and then sets nothing.

    Services, roles, scopes and servers' variables are added to those of `c`; all other values replace them.
    """
    tree, known = _read(path), installed()
    findings = _findings(tree, _Check(tree.data, known))
    errors = [finding for finding in findings if finding.level == "error"]
    given = {} if errors else _with_secrets(tree, known, errors)
    if errors:
        raise FindingsError(errors, "the hub's configuration")
    for finding in findings:
        _log.warning(finding.as_text())
    # All spawners' variables are set before those of one, which are added to them.
    for (section, trait), value in sorted(given.items(), key=lambda one: rank(one[0][0])):
        c[section][trait] = joined(c, section, trait, value)


def check_traits(path: Path) -> list[Finding]:
    """Return the findings of a file of sections, or of the sections in another file."""
    try:
        tree = _read(path)
    except FindingsError as error:
        return list(error.findings)
    looks = [_Check(form.sections, installed(), form.above, form.ours) for form in forms(tree.data)]
    return misplaced(tree) or [finding for look in looks for finding in _findings(tree, look)]


def _read(path: Path) -> YamlTree:
    try:
        return read_tree(path)
    except FindingsError as error:
        raise FindingsError(error.findings, "the hub's configuration") from error


def _findings(tree: YamlTree, look: _Check) -> list[Finding]:
    above = look.above
    return sorted(
        Finding(*tree.spot((*above, *keys)), ".".join((*above, said)), level) for keys, said, level in look.found()
    )


# Keys, sentence, level.
_Found = tuple[tuple[str, ...], str, Any]


@dataclass(frozen=True)
class _Check:
    """One check of the sections of a form. It adds the classes that they choose to the known ones."""

    sections: dict[str, Any]
    known: Known
    above: tuple[str, ...] = ()
    ours: bool = True

    def found(self) -> Iterator[_Found]:
        yield from self._choices()
        for section, traits in self.sections.items():
            name = str(section)
            kind = self.known.find(name)
            if kind is None and name.endswith(self._missing()):
                continue  # the missing class has already been reported
            if kind is None:
                yield (name,), f"{name}: {_unknown_section(name, self.known)}", "error"
            elif not isinstance(traits, dict | None):
                yield (
                    (name,),
                    f"{name}: a section is a mapping of traits: {name}: {{trait: value}}",
                    "error",
                )
            else:
                yield from self._unused(name, kind)
                for trait, value in (traits or {}).items():
                    yield from self._trait(kind, (name, str(trait)), value)

    def _choices(self) -> Iterator[_Found]:
        own = self.sections.get("JupyterHub")
        given = own if isinstance(own, dict) else {}
        for choice in CHOICES:
            value = given.get(choice)
            try:
                self.known.choose(choice, named(choice, value) if isinstance(value, str) else default(choice))
            except NotAClass as error:
                yield ("JupyterHub", choice), f"JupyterHub.{choice}: {error}", "error"

    def _missing(self) -> tuple[str, ...]:
        """Return the suffixes of names of classes whose choice failed."""
        return tuple(
            choice.removesuffix("_class").title() for choice in CHOICES if choice not in self.known.chosen
        )

    def _unused(self, name: str, kind: type[Any]) -> Iterator[_Found]:
        used = self.known.chosen.get("authenticator_class")
        if used and issubclass(kind, Authenticator) and not issubclass(used, kind):
            yield (
                (name,),
                f"{name}: this has no effect; JupyterHub.authenticator_class is {used.__name__}",
                "warning",
            )

    def _trait(self, kind: type[Any], keys: tuple[str, str], value: Any) -> Iterator[_Found]:
        key, name = ".".join(keys), keys[1]
        traits, renamed = kind.class_traits(config=True), _renamed(kind)
        if name in renamed:
            new, works = renamed[name]
            yield keys, f"{key}: this is an old name; write {new}", "warning" if works else "error"
        elif name not in traits:
            yield keys, f"{key}: {_unknown_trait(kind, name, self.known)}", "error"
        elif name in CHOICES and isinstance(value, str):
            return
        elif source := _source(value, traits[name]):
            if not self.ours:
                said = "only the hub of this project supports it; here use hub.existingSecret or hub.extraEnv"
                yield keys, f"{key}: {source}: {said}", "error"
            else:
                yield from _wrong(kind, traits[name], keys, "text")
        elif keys[0] == "JupyterHub" and (said := wrong(name, value)):
            yield keys, f"{key}: {said}", "error"
        else:
            yield from _wrong(kind, traits[name], keys, value)
            if _OUTDATED.match(traits[name].help or ""):
                first = traits[name].help.strip().split("\n\n")[0]
                yield keys, f"{key}: {' '.join(first.split())}", "warning"
            if value and isinstance(value, str):
                yield from self._text(keys, value)

    def _text(self, keys: tuple[str, str], value: str) -> Iterator[_Found]:
        key = ".".join(keys)
        if keys == _DATABASE and (said := database.wrong(value)):
            yield keys, f"{key}: {said}", "error"
        elif names_secret(keys[1]) or (keys == _DATABASE and database.holds_password(value)):
            yield keys, f"{key}: {self._advice()}", "warning"

    def _advice(self) -> str:
        if not self.ours:
            return "a secret in plain text; keep it in a separate values file that is stored encrypted"
        return (
            f"a secret in plain text; write {{{FROM_FILE}: PATH}} and mount a Secret there, or "
            f"{{{FROM_ENV}: NAME}} and set the variable from a Secret"
        )


def _wrong(kind: type[Any], trait: TraitType[Any, Any], keys: tuple[str, str], value: Any) -> Iterator[_Found]:
    """Yield what the trait expects if it refuses a value. The value is not repeated, as it may hold a secret."""
    key, name = ".".join(keys), keys[1]
    if name in _NAMES and isinstance(value, list):
        for odd in (one for one in value if not isinstance(one, str)):
            yield keys, f"{key}: YAML does not read {odd!r} as text; put the name in quotes", "error"
    # The instance is not initialised, so that no observer or default of the class runs.
    make: Any = kind.__new__
    stand_in = make(kind)
    stand_in._cross_validation_lock, stand_in.notify_change = True, lambda _: None
    try:
        # As the hub does: for lists and sets this takes one text as the only item.
        trait.set(stand_in, value)
    except TraitError as error:
        said = str(error)
        if names_secret(name) or "\n" in said or " expected " in said or not isinstance(value, str):
            said = f"expected {trait.info()}, not a value of type {type(value).__name__}"
        yield (
            keys,
            f"{key}: {said.replace(value, 'this').rstrip('.') if isinstance(value, str) else said}",
            "error",
        )


def _unknown_section(name: str, known: Known) -> str:
    bare = name.removeprefix("c.")
    if "." in bare:
        section, _, trait = bare.partition(".")
        return f"class and trait are two levels in YAML: {section}: {{{trait}: ...}}"
    if bare == "auth":
        return "Zero to JupyterHub removed this in 1.0; write the authenticator's traits under its class name"
    by_lower = {known_name.lower(): known_name for known_name in known.names()}
    if near := by_lower.get(bare.lower()):
        return f"names of sections are case-sensitive; write {near}"
    if found := difflib.get_close_matches(bare.lower(), by_lower, n=1, cutoff=0.7):
        return f"no class has this name; did you mean {by_lower[found[0]]}?"
    used = ", ".join(dict.fromkeys(["JupyterHub", "Authenticator", *(k.__name__ for k in known.chosen.values())]))
    return f"no class has this name; sections are class names such as {used}"


def _unknown_trait(kind: type[Any], name: str, known: Known) -> str:
    traits = [trait for trait in kind.class_traits(config=True) if trait not in _renamed(kind)]
    if name in kind.class_traits():
        return f"{kind.__name__} sets this itself; it cannot be configured"
    if others := list(known.having(name)):
        return f"{kind.__name__} has no such trait, but {others[0]} has; write it under {others[0]}"
    if near := difflib.get_close_matches(name, traits, n=1, cutoff=0.5):
        return f"{kind.__name__} has no such trait; did you mean {near[0]}?"
    return f"{kind.__name__} has no such trait"


def _renamed(kind: type[Any]) -> dict[str, tuple[str, bool]]:
    """Return, by old name of a trait, the new name and whether the class still accepts the old one."""
    old: dict[str, tuple[str, bool]] = {}
    for table in ("_deprecated_aliases", "_deprecated_traits", "_deprecated_oauth_aliases"):
        for name, (new, _since, *works) in getattr(kind, table, {}).items():
            old[name] = (new, works != [False])
    return old


def _source(value: Any, trait: TraitType[Any, Any]) -> str:
    """Return the key that refers to a file or the environment, or "" if the value has none."""
    if isinstance(value, dict) and len(value) == 1 and trait.info_text != "a dict":
        return next((key for key in (FROM_FILE, FROM_ENV) if isinstance(value.get(key), str)), "")
    return ""


def _with_secrets(tree: YamlTree, known: Known, errors: list[Finding]) -> dict[tuple[str, str], Any]:
    """Return every value by class and trait, with texts read from files and variables. Adds to `errors`."""
    given: dict[tuple[str, str], Any] = {}
    for section, traits in tree.data.items():
        for name, value in (traits or {}).items():
            trait = known.by_name[section].class_traits().get(name)
            source = _source(value, trait) if trait else ""
            try:
                given[section, name] = _fetched(source, value[source]) if source else value
                if source and (section, name) == _DATABASE and (said := database.wrong(given[section, name])):
                    raise ValueError(said)
            except (OSError, ValueError) as error:
                said = f"{section}.{name}: {source}: {error}"
                errors.append(Finding(*tree.spot((section, name)), said))
    return given


def _fetched(source: str, where: str) -> str:
    """Return the text without its final newline. Raises OSError, or ValueError with an error message."""
    if source == FROM_ENV:
        if not os.environ.get(where):
            raise ValueError(f"the environment variable {where} is not set")
        # A Secret that was made from a file ends with a newline.
        return os.environ[where].removesuffix("\n")
    text = read_ordinary(Path(where), MAX_SECRET_BYTES)[0].decode("utf-8").removesuffix("\n")
    if not text:
        raise ValueError(f"{where} is empty")
    return text
