"""Evaluates templates, as Helm does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kernelpod.deploy.withouthelm.functions import FUNCTIONS, text_of
from kernelpod.deploy.withouthelm.template import (
    Block,
    Field,
    Function,
    Group,
    Literal,
    Node,
    Operand,
    Output,
    Pipeline,
    Template,
    TemplateError,
    Variable,
)

# What a command is given by the one before, if there is none.
_NOTHING = object()
_MOST_DEPTH = 50


class Templates:
    """The templates of a chart. Those that one file defines can be included by all."""

    def __init__(self, templates: Iterable[Template]) -> None:
        self._defined: dict[str, tuple[Node, ...]] = {}
        for template in templates:
            self._defined |= template.defined
        self._depth = 0

    def evaluate(self, template: Template, root: Any) -> str:
        """Return what a template gives for a root object. Raises TemplateError."""
        try:
            return _Evaluation(self, root).text(template.body, root)
        except TemplateError as error:
            raise TemplateError(f"{template.name}: {error.message}") from error
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise TemplateError(f"{template.name}: these values cannot be rendered: {error}") from error

    def include(self, name: str, root: Any) -> str:
        """Return what a defined template gives. Raises TemplateError."""
        if name not in self._defined or self._depth == _MOST_DEPTH:
            raise TemplateError(f"the template {name} cannot be included")
        self._depth += 1
        try:
            return _Evaluation(self, root).text(self._defined[name], root)
        finally:
            self._depth -= 1


class _Evaluation:
    """The evaluation of one template: its variables, in the order of their declarations."""

    def __init__(self, templates: Templates, root: Any) -> None:
        self._templates = templates
        self._variables: list[tuple[str, Any]] = [("$", root)]

    def text(self, nodes: tuple[Node, ...], dot: Any) -> str:
        """Return the text of nodes. Variables that they declare end with them."""
        height = len(self._variables)
        made = []
        for node in nodes:
            if isinstance(node, str):
                made.append(node)
            elif isinstance(node, Output):
                value = self._value(node.pipeline, dot)
                made.append("" if node.pipeline.variables else text_of(value))
            else:
                made.append(self._block(node, dot))
        del self._variables[height:]
        return "".join(made)

    def _block(self, block: Block, dot: Any) -> str:
        height = len(self._variables)
        if block.kind == "range":
            made = self._range(block, dot)
        else:
            value = self._value(block.pipeline, dot)
            inner = value if block.kind == "with" and value else dot
            made = self.text(block.body if value else block.otherwise, inner)
        del self._variables[height:]
        return made

    def _range(self, block: Block, dot: Any) -> str:
        names = block.pipeline.variables
        many = self._value(Pipeline(block.pipeline.commands), dot)
        pairs = sorted(many.items()) if isinstance(many, Mapping) else list(enumerate(many or []))
        height, made = len(self._variables), []
        for pair in pairs:
            # One variable gets the value, two get key and value.
            self._variables += zip(names, pair[2 - len(names) :], strict=True)
            made.append(self.text(block.body, pair[1]))
            del self._variables[height:]
        return "".join(made) if pairs else self.text(block.otherwise, dot)

    def _value(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        for name in pipeline.variables:
            self._assign(name, value, declares=pipeline.declares)
        return value

    def _assign(self, name: str, value: Any, *, declares: bool) -> None:
        if declares:
            self._variables.append((name, value))
            return
        number = max(number for number, (known, _) in enumerate(self._variables) if known == name)
        self._variables[number] = (name, value)

    def _command(self, operands: tuple[Operand, ...], dot: Any, piped: Any) -> Any:
        first, *others = operands
        if not isinstance(first, Function):
            if others or piped is not _NOTHING:
                raise TemplateError(f"{first} is no function")
            return self._operand(first, dot)
        if first.name in ("and", "or"):
            return self._first(others, dot, stop_at=first.name == "or")
        given = [self._operand(one, dot) for one in others] + ([] if piped is _NOTHING else [piped])
        if first.name == "include":
            return self._templates.include(*given)
        if first.name not in FUNCTIONS:
            raise TemplateError(f"the function {first.name} is not known")
        return FUNCTIONS[first.name](*given)

    def _first(self, operands: list[Operand], dot: Any, *, stop_at: bool) -> Any:
        """Return the first value that is true, or false, else the last one. Those after it are not evaluated."""
        value: Any = None
        for operand in operands:
            value = self._operand(operand, dot)
            if bool(value) == stop_at:
                break
        return value

    def _operand(self, operand: Operand, dot: Any) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Field):
            return _members(dot, operand.names)
        if isinstance(operand, Variable):
            known = next(value for name, value in reversed(self._variables) if name == operand.name)
            return _members(known, operand.names)
        if isinstance(operand, Group):
            return _members(self._value(operand.pipeline, dot), operand.names)
        return self._command((operand,), dot, _NOTHING)


def _members(value: Any, names: tuple[str, ...]) -> Any:
    """Return a member of a member. A missing one is None, which has no members. Raises TemplateError."""
    for name in names:
        if not isinstance(value, Mapping):
            raise TemplateError(f"{'.'.join(names)}: {name} of {value!r}, which has no members")
        value = value.get(name)
    return value
