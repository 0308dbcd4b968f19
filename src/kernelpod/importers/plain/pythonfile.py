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
from kernelpod.importers.plain.uses import (
    Later,
    binds_unknown,
    bound_names,
    later_of,
    shared_sections,
    traits_of,
    updated_sections,
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
    return PythonConfig(YamlTree({"hub": {"config": reader.config}}, reader.spots()), reader.left)


class _Reader:
    """Evaluates statements in their order."""

    def __init__(self, file: Path, text: str) -> None:
        # Python counts columns in bytes. Its own reader of segments splits the whole file each time.
        self.file, self._lines = file, text.encode().splitlines(keepends=True)
        self.config: dict[str, dict[str, Any]] = {}
        self.left: list[Left] = []
        self._names: dict[str, Any] = {}
        # Lists and mappings that a name may still have whose value is not known any more.
        self._perhaps: dict[str, list[Any]] = {}
        # Traits that code changes which is not evaluated: their values are not known any more.
        self._lost: set[tuple[str, str]] = set()
        # Sections that code has hold of. Nothing in them is known.
        self._shared: set[str] = set()
        # What functions use. They may be called at any time after they are defined.
        self._later = Later(set(), set(), set(), set())
        # The last expression that a trait was given, and the statements that made it what it is.
        self._given: dict[tuple[str, str], ast.expr] = {}
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
                self._name(name, value)
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

    def _name(self, name: str, value: ast.expr) -> None:
        if not any(isinstance(node, ast.Name) and node.id == name for node in ast.walk(value)):
            self._names.pop(name, None)
            self._perhaps.pop(name, None)
        made = self._value(value)
        if name in self._later.bound or (name in self._later.names and isinstance(made, (list, dict))):
            raise UnplainError
        self._names[name] = made

    def _add(self, section: str, trait: str, value: ast.expr) -> None:
        known, given = self._known(section, trait), self._value(value)
        if isinstance(known, list):
            # Python changes a list for all who have it, and makes a new tuple.
            if self._others_have(known, section, trait):
                raise UnplainError
            change(known, "extend", given)
        else:
            known = joined(known, given)
        self._set(section, trait, known, value)

    def _others_have(self, value: Any, section: str, trait: str) -> bool:
        """Return whether a list is also in a name or in another trait."""
        traits = {(one, key): inner for one, known in self.config.items() for key, inner in known.items()}
        del traits[(section, trait)]
        return any(
            holds(one, [value]) for one in (*self._names.values(), *traits.values(), *self._perhaps.values())
        )

    def _trait(self, target: ast.expr) -> tuple[str, str]:
        match target:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="c"), attr=section), attr=trait):
                unknown = section in self._shared | self._later.sections or (section, trait) in self._later.traits
                if not unknown:
                    return section, trait
        raise UnplainError

    def _known(self, section: str, trait: str) -> Any:
        if (section, trait) in self._lost or trait not in self.config.get(section, {}):
            raise UnplainError
        return self.config[section][trait]

    def _set(self, section: str, trait: str, value: Any, node: ast.expr) -> None:
        self.config.setdefault(section, {})[trait] = value
        self._made_by.setdefault((section, trait), []).append(self._statement)
        self._given[(section, trait)] = node

    def _value(self, node: ast.expr) -> Any:
        made = value_of(node, self._names)
        if size_of(made) > MOST_ITEMS:
            raise UnplainError
        return made

    def spots(self) -> dict[Keys, Spot]:
        """Return where each value is."""
        spots: dict[Keys, Spot] = {(): Spot(self.file, START)}
        for section, traits in self.config.items():
            for trait, value in traits.items():
                self._mark(spots, ("hub", "config", section, trait), value, self._given[(section, trait)])
        return spots

    def _mark(self, spots: dict[Keys, Spot], keys: Keys, value: Any, node: ast.expr) -> None:
        spots[keys] = Spot(self.file, Place(node.lineno, node.col_offset + 1))
        nodes: dict[Any, ast.expr] = {}
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            nodes = {key.value: one for key, one in pairs if isinstance(key, ast.Constant)}
        elif isinstance(node, ast.List):
            nodes = dict(enumerate(node.elts))
        for key, inner in inner_of(value):
            self._mark(spots, (*keys, key), inner, nodes.get(key, node))

    def _keep(self, statement: ast.stmt, *, silent: bool = False) -> None:
        """Keep a statement as code. Names and traits that it may change are not known after it."""
        what = type(statement).__name__.lower()
        self.left.append(Left(self._spot(statement), what, self._code(statement), silent))
        if silent:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                self._unbind(statement)
            return
        self._later.add(later_of(statement))
        traits = traits_of(statement)
        self._shared |= shared_sections(statement)
        whole = self._shared | updated_sections(statement)
        traits |= {(section, trait) for section in whole for trait in self.config.get(section, ())}
        named = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
        changed = [self._names[name] for name in named & self._names.keys()]
        changed += [value for name in named for value in self._perhaps.get(name, ())]
        changed += [
            self.config[section][trait] for section, trait in traits if trait in self.config.get(section, ())
        ]
        self._forget_changed(changed)
        for section, trait in traits:
            self._forget(section, trait)
        self._unbind(statement)

    def _unbind(self, statement: ast.stmt) -> None:
        """Forget the names that code binds which is not evaluated."""
        bound = {*self._names} if binds_unknown(statement) else bound_names(statement) | self._later.bound
        for name in bound & self._names.keys():
            self._perhaps.setdefault(name, []).append(self._names.pop(name))

    def _forget_changed(self, values: list[Any]) -> None:
        """Forget lists and mappings that code may change, under all their names and in all traits."""
        objects = [value for value in values if isinstance(value, (dict, list))]
        if not objects:
            return
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
        for statement in self._made_by.pop((section, trait)):
            self.left.append(
                Left(self._spot(statement), f"c.{section}.{trait}", self._code(statement), silent=False)
            )

    def _code(self, statement: ast.stmt) -> str:
        """Return the text of a statement, with its decorators, which are above what Python calls its begin."""
        decorators = [self._segment(one) for one in getattr(statement, "decorator_list", ())]
        return "\n".join([*(f"@{one}" for one in decorators), self._segment(statement)])

    def _segment(self, node: ast.stmt | ast.expr) -> str:
        last = node.end_lineno or node.lineno
        lines = self._lines[node.lineno - 1 : last]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"".join(lines).decode()

    def _spot(self, statement: ast.stmt) -> Spot:
        return Spot(self.file, Place(statement.lineno, statement.col_offset + 1))
