"""Evaluates plain expressions of Python without executing them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

# Items and characters that a value may have: `[0] * 10 ** 9` is refused, and so is what doubles itself.
MOST_ITEMS = 10_000
_MOST_CHARACTERS = 1_000_000
_LARGEST = 1e15
_MOST_BITS = 64


class UnplainError(Exception):
    """An expression whose value is not known without executing it."""


def value_of(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the value of an expression; tuples and sets are lists, keys are strings. Raises UnplainError."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp() | ast.BinOp() | ast.JoinedStr():
            return _operated(node, names)
    return _collected(node, names)


def _operated(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, names)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _number(left, names) * _number(right, names)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _power(_number(left, names), _number(right, names))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return joined(value_of(left, names), value_of(right, names))
        case ast.JoinedStr(values=parts):
            return "".join(_part(part, names) for part in parts)
    raise UnplainError


def _collected(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [value_of(item, names) for item in items]
        case ast.Dict(keys=keys, values=values) if all(keys):
            pairs = zip(keys, values, strict=True)
            return {key_of(value_of(key, names)): value_of(one, names) for key, one in pairs if key}
        case ast.Call(func=ast.Name(id="set" | "list" | "tuple"), args=[one], keywords=[]):
            made = value_of(one, names)
            if isinstance(made, list):
                return [*made]
        case ast.Call(func=ast.Name(id="set" | "list" | "tuple"), args=[], keywords=[]):
            return []
    raise UnplainError


def key_of(key: Any) -> str:
    """Return a key of a mapping as a string. Raises UnplainError."""
    if not isinstance(key, (str, int)) or isinstance(key, bool):
        raise UnplainError
    return str(key)


def _number(node: ast.expr, names: Mapping[str, Any]) -> float:
    value = value_of(node, names)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > _LARGEST:
        raise UnplainError
    return value


def _power(base: float, exponent: float) -> float:
    if not isinstance(base, int) or not isinstance(exponent, int) or not 0 <= exponent <= _MOST_BITS:
        raise UnplainError
    return int(base**exponent)


def _part(part: ast.expr, names: Mapping[str, Any]) -> str:
    match part:
        case ast.Constant(value=str() as text):
            return text
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            made = value_of(value, names)
            if isinstance(made, (str, int)):
                return str(made)
    raise UnplainError


def joined(first: Any, second: Any) -> Any:
    """Return what `+` makes of two values. Raises UnplainError."""
    if isinstance(first, list) and isinstance(second, list):
        return [*first, *second]
    if isinstance(first, str) and isinstance(second, str) and len(first) + len(second) <= _MOST_CHARACTERS:
        return first + second
    if type(first) in (int, float) and type(second) in (int, float):
        return first + second
    raise UnplainError


def change(value: Any, method: str, given: Any) -> None:
    """Change a list or a mapping in place, under all its names, as a method of it does. Raises UnplainError."""
    if holds(given, [value]) or size_of(value) + size_of(given) > MOST_ITEMS:
        raise UnplainError
    match value, method, given:
        case list(), "append", _:
            value.append(given)
        case list(), "extend", list():
            value.extend(given)
        case dict(), "update", dict():
            value.update(given)
        case _:
            raise UnplainError


def size_of(value: Any, known: dict[int, int] | None = None) -> int:
    """Return how many values are in a value, each as often as it occurs."""
    known = {} if known is None else known
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        known[id(value)] = 1 + sum(size_of(one, known) for one in inner)
    return known[id(value)]


def holds(value: Any, objects: list[Any]) -> bool:
    """Return whether a value is, or has in it, one of these lists and mappings."""
    if any(value is one for one in objects):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(holds(one, objects) for one in inner)
