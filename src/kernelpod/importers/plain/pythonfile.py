"""Reads a jupyterhub_config.py as text. It is not executed: plain assignments are evaluated, the rest is kept."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kernelpod.findings.finding import START, Place
from kernelpod.findings.yamlfile import MAX_BYTES, Keys, Spot, YamlTree, inner_of
from kernelpod.importers.plain.expressions import (
    MOST_ITEMS,
    UnplainError,
    change,
    holds,
    joined,
    key_of,
    size_of,
    value_of,
)
from kernelpod.importers.report import ImportingError

_CONFIG = "c"
# What a known list or mapping is changed by.
_METHODS = ("append", "extend", "update")


class Left(NamedTuple):
    """A statement that sets nothing in the new files."""

    spot: Spot
    what: str
    """Its kind, such as `for`, and never its text, which may hold a secret."""
    code: str
    silent: bool
    """Whether nothing is lost without it."""


@dataclass
class PythonConfig:
    """What a file sets, as `hub.config` of the chart has it, and the statements that are left."""

    tree: YamlTree
    left: list[Left] = field(default_factory=list)

    def code(self) -> str:
        """Return the statements that are kept, in the order of the file, with what they need; empty if none is."""
        kept = sorted(self.left, key=lambda left: left.spot.place)
        if all(left.silent for left in kept):
            return ""
        return "".join(f"{left.code}\n" for left in kept if left.code)


def read_python(file: Path) -> PythonConfig:
    """Return what a file sets. Raises ImportingError if it cannot be read or is not Python."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ImportingError(f"{file}: the file is larger than {MAX_BYTES} bytes")
        text = raw.decode("utf-8-sig")
        module = ast.parse(text)
    except OSError as error:
        raise ImportingError(f"{file}: {error.strerror}") from error
    except SyntaxError as error:
        raise ImportingError(f"{file}:{error.lineno or 1}: this is not Python 3: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ImportingError(
            f"{file}: the file cannot be read: {type(error).__name__}; save it as UTF-8"
        ) from None
    reader = _Reader(file, text)
    for statement in module.body:
        reader.read(statement)
    return PythonConfig(YamlTree({"hub": {"config": reader.config}}, reader.spots), reader.left)


class _Reader:
    """Evaluates statements in their order."""

    def __init__(self, file: Path, text: str) -> None:
        self.file, self._text = file, text
        self.config: dict[str, dict[str, Any]] = {}
        self.spots: dict[Keys, Spot] = {(): Spot(file, START)}
        self.left: list[Left] = []
        self._names: dict[str, Any] = {}
        # Traits that code changes which is not evaluated: their values are not known any more.
        self._lost: set[tuple[str, str]] = set()
        # Sections that code has hold of. Nothing in them is known.
        self._shared: set[str] = set()
        # The statements that made a trait what it is.
        self._made_by: dict[tuple[str, str], list[ast.stmt]] = {}
        self._statement: ast.stmt

    def read(self, statement: ast.stmt) -> None:
        """Evaluate a statement, or keep it."""
        self._statement = statement
        try:
            if not self._evaluated(statement):
                raise UnplainError
        except (UnplainError, RecursionError):
            self._keep(statement)

    def _evaluated(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="get_config"))) if (
                name == "c"
            ):
                self._keep(statement, silent=True)
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name != _CONFIG:
                self._names.pop(name, None)
                self._names[name] = self._value(value)
                self._keep(statement, silent=True)
            case ast.Assign(targets=[target], value=value):
                return self._assign(target, value)
            case ast.AugAssign(target=ast.Attribute() as target, op=ast.Add(), value=value):
                self._add(*self._trait(target), value)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Attribute() as target, attr=method), args=[given], keywords=[]
                )
            ) if method in _METHODS:
                section, trait = self._trait(target)
                change(known := self._known(section, trait), method, self._value(given))
                self._set(section, trait, known, given)
            case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Pass():
                self._keep(statement, silent=True)
            case _:
                return False
        return True

    def _assign(self, target: ast.expr, value: ast.expr) -> bool:
        if isinstance(target, ast.Subscript):
            section, trait = self._trait(target.value)
            item = {key_of(self._value(target.slice)): self._value(value)}
            change(known := self._known(section, trait), "update", item)
            self._set(section, trait, known, value)
            return True
        section, trait = self._trait(target)
        made = self._value(value)
        for statement in self._made_by.pop((section, trait), ()):
            self.left.append(Left(self._spot(statement), f"c.{section}.{trait}", "", silent=True))
        self._set(section, trait, made, value)
        self._lost.discard((section, trait))
        return True

    def _add(self, section: str, trait: str, value: ast.expr) -> None:
        known, given = self._known(section, trait), self._value(value)
        if isinstance(known, list):
            change(known, "extend", given)
        else:
            known = joined(known, given)
        self._set(section, trait, known, value)

    def _trait(self, target: ast.expr) -> tuple[str, str]:
        match target:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="c"), attr=section), attr=trait):
                if section not in self._shared:
                    return section, trait
        raise UnplainError

    def _known(self, section: str, trait: str) -> Any:
        if (section, trait) in self._lost or trait not in self.config.get(section, {}):
            raise UnplainError
        return self.config[section][trait]

    def _set(self, section: str, trait: str, value: Any, node: ast.expr) -> None:
        keys: Keys = ("hub", "config", section, trait)
        for known in [known for known in self.spots if known[:4] == keys]:
            del self.spots[known]
        self.config.setdefault(section, {})[trait] = value
        self._made_by.setdefault((section, trait), []).append(self._statement)
        self._mark(keys, value, node)

    def _value(self, node: ast.expr) -> Any:
        made = value_of(node, self._names)
        if size_of(made) > MOST_ITEMS:
            raise UnplainError
        return made

    def _mark(self, keys: Keys, value: Any, node: ast.expr) -> None:
        self.spots[keys] = Spot(self.file, Place(node.lineno, node.col_offset + 1))
        nodes: dict[Any, ast.expr] = {}
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            nodes = {key.value: one for key, one in pairs if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.List):
            nodes = dict(enumerate(node.elts))
        for key, inner in inner_of(value):
            self._mark((*keys, key), inner, nodes.get(key, node))

    def _keep(self, statement: ast.stmt, *, silent: bool = False) -> None:
        """Keep a statement as code. Names and traits that it may change are not known after it."""
        what = type(statement).__name__.lower()
        self.left.append(Left(self._spot(statement), what, self._code(statement), silent))
        if silent:
            return
        traits = _traits(statement)
        self._shared |= _shared_sections(statement)
        whole = self._shared | _updated_sections(statement)
        traits |= {(section, trait) for section in whole for trait in self.config.get(section, ())}
        named = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        changed = [self._names[name] for name in named & self._names.keys()]
        changed += [
            self.config[section][trait] for section, trait in traits if trait in self.config.get(section, ())
        ]
        self._forget_changed(changed)
        for section, trait in traits:
            self._forget(section, trait)
        for node in ast.walk(statement):
            match node:
                case ast.Name(id=name, ctx=ast.Store()) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    self._names.pop(name, None)

    def _forget_changed(self, values: list[Any]) -> None:
        """Forget lists and mappings that code may change, under all their names and in all traits."""
        objects = [value for value in values if isinstance(value, (dict, list))]
        for name in [name for name, value in self._names.items() if holds(value, objects)]:
            del self._names[name]
        traits = [(section, trait) for section, inner in self.config.items() for trait in inner]
        for section, trait in traits:
            if holds(self.config[section][trait], objects):
                self._forget(section, trait)

    def _forget(self, section: str, trait: str) -> None:
        """Keep the statements that set a trait as code, too: code that is not evaluated may change its value."""
        self._lost.add((section, trait))
        traits = self.config.get(section, {})
        if trait not in traits:
            return
        del traits[trait]
        if not traits:
            del self.config[section]
        for known in [known for known in self.spots if known[:4] == ("hub", "config", section, trait)]:
            del self.spots[known]
        for statement in self._made_by.pop((section, trait)):
            self.left.append(
                Left(self._spot(statement), f"c.{section}.{trait}", self._code(statement), silent=False)
            )

    def _code(self, statement: ast.stmt) -> str:
        return ast.get_source_segment(self._text, statement) or ""

    def _spot(self, statement: ast.stmt) -> Spot:
        return Spot(self.file, Place(statement.lineno, statement.col_offset + 1))


def _traits(statement: ast.stmt) -> set[tuple[str, str]]:
    """Return the traits that a statement uses."""
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="c"), attr=section), attr=trait):
                found.add((section, trait))
    return found


def _updated_sections(statement: ast.stmt) -> set[str]:
    """Return the sections that a statement changes as a whole, as `c.Spawner.update(...)` does."""
    return {section for section, name in _traits(statement) if name in ("update", "merge")}


def _shared_sections(statement: ast.stmt) -> set[str]:
    """Return the sections that a statement uses as values, so that other code may change them at any time."""
    traits = {id(node.value) for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(value=ast.Name(id="c"), attr=section) if id(node) not in traits:
                found.add(section)
    return found
