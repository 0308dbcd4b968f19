"""Finds what a statement of a jupyterhub_config.py uses and binds, without executing it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
# After these, no name is known: they bind names that the statement does not show.
_EXECUTE = ("exec", "eval", "execfile")


class Later(NamedTuple):
    """What functions in a statement use, whenever they are called."""

    names: set[str]
    """Names of the file that they read: what is a list or a mapping may be changed by them."""
    bound: set[str]
    """Names of the file that they set."""
    traits: set[tuple[str, str]]
    sections: set[str]
    """Sections that they change as a whole."""

    def add(self, other: Later) -> None:
        """Add what another statement uses."""
        self.names.update(other.names)
        self.bound.update(other.bound)
        self.traits.update(other.traits)
        self.sections.update(other.sections)


def later_of(statement: ast.stmt) -> Later:
    """Return what functions in a statement use."""
    found = Later(set(), set(), set(), set())
    for function in (node for node in ast.walk(statement) if isinstance(node, _FUNCTIONS)):
        inside = list(ast.walk(function))
        outer = {name for node in inside if isinstance(node, ast.Global) for name in node.names}
        theirs = {node.arg for node in inside if isinstance(node, ast.arg)}
        theirs |= {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        found.names.update({node.id for node in inside if isinstance(node, ast.Name)} - (theirs - outer))
        found.bound.update(outer)
        found.traits.update(traits_of(function))
        found.sections.update(updated_sections(function))
    return found


def binds_unknown(statement: ast.stmt) -> bool:
    """Return whether a statement may bind names that it does not show."""
    return any(
        (isinstance(node, ast.alias) and node.name == "*")
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _EXECUTE)
        for node in ast.walk(statement)
    )


def bound_names(statement: ast.stmt) -> set[str]:
    """Return the names that a statement may bind or delete, also by an import, a handler or a pattern."""
    return {name for node in ast.walk(statement) for name in _bound(node)}


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=given):
            yield given or name.split(".")[0]
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name


def traits_of(statement: ast.AST) -> set[tuple[str, str]]:
    """Return the traits that a statement uses."""
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="c"), attr=section), attr=trait):
                found.add((section, trait))
    return found


def updated_sections(statement: ast.AST) -> set[str]:
    """Return the sections that a statement changes as a whole, as `c.Spawner.update(...)` does."""
    return {section for section, name in traits_of(statement) if name in ("update", "merge")}


def shared_sections(statement: ast.stmt) -> set[str]:
    """Return the sections that a statement uses as values, so that other code may change them at any time."""
    traits = {id(node.value) for node in ast.walk(statement) if isinstance(node, ast.Attribute)}
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(value=ast.Name(id="c"), attr=section) if id(node) not in traits:
                found.add(section)
    return found
