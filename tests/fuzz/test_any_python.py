"""Configurations in Python that are read as text: a value that is known is the one that executing them gives."""

from __future__ import annotations

import ast
import copy
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelpod.importers.plain.pythonfile import read_python

_NAMES = st.sampled_from(["a", "b", "d"])
_TRAITS = st.sampled_from(["c.X.x", "c.X.y", "c.Y.x"])
_PLAIN = st.recursive(
    st.one_of(st.integers(-3, 3), st.booleans(), st.none(), st.sampled_from(["", "s", "{t}"])).map(repr),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["'k'", "'l'", "1"]), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}"
        ),
    ),
    max_leaves=4,
)
_VALUES = st.one_of(
    _PLAIN,
    _NAMES,
    _TRAITS,
    st.tuples(_PLAIN, st.sampled_from(["+", "*", "**", "-"]), _PLAIN).map(" ".join),
    st.tuples(_NAMES, _NAMES).map(" + ".join),
    _NAMES.map(lambda name: f"[{name}, {name}]"),
    _NAMES.map(lambda name: f"f'{{{name}}}!'"),
    st.sampled_from(["set(['s'])", "list(a)", "tuple()", "len('s')", "dict(k=1)", "(1, 's')", "a if b else d"]),
)
_SIMPLE = st.one_of(
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(" = ".join),
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(" += ".join),
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(lambda both: f"{both[0]}.append({both[1]})"),
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(lambda both: f"{both[0]}.extend({both[1]})"),
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(lambda both: f"{both[0]}.update({both[1]})"),
    st.tuples(st.one_of(_NAMES, _TRAITS), _VALUES).map(lambda both: f"{both[0]}['k'] = {both[1]}"),
    _NAMES.map(lambda name: f"{name}.clear()"),
    _NAMES.map(lambda name: f"del {name}"),
    st.tuples(_NAMES, _NAMES).map(lambda both: f"{both[0]}, {both[1]} = 1, [2]"),
    st.tuples(_NAMES, _VALUES).map(lambda both: f"{both[0]} = {both[0]} = {both[1]}"),
    st.sampled_from(["change(a)", "change(c.X)", "c.X.update(x=5)", "c.X = c.Y", "setattr(c.X, 'x', 7)"]),
)
_STATEMENTS = st.one_of(
    _SIMPLE,
    st.tuples(_NAMES, _SIMPLE).map(lambda both: f"if {both[0]}:\n    {both[1]}"),
    st.tuples(_NAMES, _SIMPLE).map(lambda both: f"for {both[0]} in [1, 2]:\n    {both[1]}"),
    st.tuples(_NAMES, _SIMPLE).map(lambda both: f"def {both[0]}():\n    {both[1]}"),
    _SIMPLE.map(lambda one: f"def change(it):\n    global a, b, d\n    {one}"),
    _SIMPLE.map(lambda one: f"with_c = lambda: None\n{one}"),
)


# So that what comes after it has something to change.
_FIRST = ["a = [1]", "b = {'k': [1]}", "d = 's'", "c.X.x = a", "c.X.y = b", "c.Y.x = [a, d]"]


class _Section(dict[str, Any]):
    """A section of a configuration, as traitlets has them."""

    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__


def _change(it: Any) -> None:
    """Do what code of others may do with what it is given."""
    if isinstance(it, list):
        it.append("changed")
    elif isinstance(it, dict):
        it["x"] = "changed"


def _normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _normal(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_normal(inner) for inner in value]
    return sorted(map(_normal, value)) if isinstance(value, set) else value


def _executed(statements: list[str]) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Return the statements that can be executed, as far as the first that fails, and what they set."""
    sections: defaultdict[str, _Section] = defaultdict(_Section)
    c = SimpleNamespace(X=sections["X"], Y=sections["Y"])
    names: dict[str, Any] = {"c": c, "change": _change}
    good: list[str] = []
    for statement in statements:
        before = copy.deepcopy({"X": dict(c.X), "Y": dict(c.Y)})
        try:
            exec(compile(ast.parse(statement), "config", "exec"), names)  # noqa: S102 - generated above
        except Exception:  # noqa: BLE001 - a hub would not start with it, and half of it may be done
            return good, before
        good.append(statement)
    return good, {"X": c.X, "Y": c.Y}


@given(st.lists(_STATEMENTS, min_size=1, max_size=8))
def test_a_value_that_is_known_is_right(tmp_path_factory: pytest.TempPathFactory, statements: list[str]) -> None:
    good, real = _executed([*_FIRST, *statements])
    file = Path(tmp_path_factory.mktemp("python") / "jupyterhub_config.py")
    file.write_text("\n".join(good) + "\n", encoding="utf-8")
    read = read_python(file)
    for section, traits in read.tree.data["hub"]["config"].items():
        for trait, value in traits.items():
            assert _normal(value) == _normal(real[section][trait]), "\n".join(good)
