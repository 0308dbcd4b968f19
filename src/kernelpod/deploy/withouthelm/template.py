"""Reads templates of the language of Helm's charts, which is that of Go's text/template.

What the chart does not use is refused, so that nothing is rendered differently than by Helm without a word.
Source: https://pkg.go.dev/text/template
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import Any

from kernelpod.errors import KernelpodError


class TemplateError(KernelpodError):
    """A template cannot be read, or it refuses the values."""


@dataclass(frozen=True)
class Field:
    """`.a.b`: members of the value that the dot stands for. Without names, that value."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class Variable:
    """`$a.b`: members of a variable."""

    name: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Literal:
    """A text, a number, true, false or nil."""

    value: Any


@dataclass(frozen=True)
class Function:
    """The name of a function."""

    name: str


@dataclass(frozen=True)
class Group:
    """`(pipeline).a.b`: members of what a pipeline gives."""

    pipeline: Pipeline
    names: tuple[str, ...]


Operand = Field | Variable | Literal | Function | Group


@dataclass(frozen=True)
class Pipeline:
    """Commands, each with the result of the one before as its last argument; variables get the last result."""

    commands: tuple[tuple[Operand, ...], ...]
    variables: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True)
class Output:
    """`{{ pipeline }}`"""

    pipeline: Pipeline


@dataclass(frozen=True)
class Block:
    """`{{ if }}`, `{{ with }}` or `{{ range }}`, with what is between and what is after `{{ else }}`."""

    kind: str
    pipeline: Pipeline
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...]


Node = str | Output | Block

_TOKEN = re.compile(
    r"""
    (?P<space>\s+) | (?P<end>-?\}\})
    | (?P<text>"(?:\\.|[^"\\])*") | (?P<raw>`[^`]*`) | (?P<number>-?\d+\b)
    | (?P<variable>\$\w*) | (?P<field>(?:\.[A-Za-z_]\w*)+|\.) | (?P<word>[A-Za-z_]\w*)
    | (?P<sign>:=|[=|(),])
    """,
    re.VERBOSE,
)
_COMMENT = re.compile(r"/\*.*?\*/\s*(?=-?\}\})", re.DOTALL)
_CONSTANTS = {"true": True, "false": False, "nil": None}
_BLOCKS = frozenset({"if", "with", "range"})


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    glued: bool
    """Whether it follows the one before without a space."""


@dataclass(frozen=True)
class _Action:
    """What is between `{{` and `}}`."""

    line: int
    tokens: tuple[_Token, ...]


class Template:
    """A file of templates: what it gives itself, and the templates that it defines, by name."""

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.defined: dict[str, tuple[Node, ...]] = {}
        self._parts = _split(name, source)
        self._next = 0
        self.body = self._nodes(())

    def _nodes(self, ends: tuple[str, ...]) -> tuple[Node, ...]:
        """Return the nodes up to an action that begins with one of these words, or up to the end of the file."""
        made: list[Node] = []
        while self._next < len(self._parts):
            part = self._parts[self._next]
            if isinstance(part, str):
                made.append(part)
            elif (first := part.tokens[0].text if part.tokens else "") in ("end", "else"):
                if first in ends:
                    return tuple(made)
                raise self._wrong(f"{first} is not expected here")
            elif first == "define":
                self._define(part)
                continue
            elif first in _BLOCKS:
                made.append(self._block(first, part.tokens[1:]))
                continue
            elif part.tokens:
                made.append(Output(self._whole(part.tokens)))
            self._next += 1
        if ends:
            raise self._wrong("a block without an end")
        return tuple(made)

    def _define(self, part: _Action) -> None:
        name = self._operand(list(part.tokens[1:]))
        if not isinstance(name, Literal):
            raise self._wrong("the name of a template must be a text")
        self._next += 1
        self.defined[name.value] = self._nodes(("end",))
        self._next += 1

    def _block(self, kind: str, tokens: tuple[_Token, ...]) -> Block:
        pipeline = self._whole(tokens)
        self._next += 1
        body = self._nodes(("end", "else"))
        part = self._parts[self._next]
        assert isinstance(part, _Action)  # noqa: S101 - for the type checker
        if part.tokens[0].text == "else" and len(part.tokens) > 1:
            return Block(kind, pipeline, body, (self._block(part.tokens[1].text, part.tokens[2:]),))
        self._next += 1
        if part.tokens[0].text == "end":
            return Block(kind, pipeline, body, ())
        otherwise = self._nodes(("end",))
        self._next += 1
        return Block(kind, pipeline, body, otherwise)

    def _whole(self, tokens: tuple[_Token, ...]) -> Pipeline:
        """Return the pipeline that these tokens are."""
        left = list(tokens)
        pipeline = self._pipeline(left)
        if left:
            raise self._wrong(f"{left[0].text} is not expected here")
        return pipeline

    def _pipeline(self, tokens: list[_Token]) -> Pipeline:
        """Return the pipeline at the beginning of the tokens, and remove it from them."""
        signs = [token.text for token in tokens[:4]]
        variables: list[str] = []
        declares = ":=" in signs[1:4:2]
        if declares or (len(tokens) > 1 and signs[1] == "="):
            while (token := tokens.pop(0)).text not in (":=", "="):
                variables += [token.text] if token.kind == "variable" else []
        commands: list[tuple[Operand, ...]] = []
        while not commands or (tokens and tokens[0].text == "|"):
            if commands:
                tokens.pop(0)
            commands.append(self._command(tokens))
        return Pipeline(tuple(commands), tuple(variables), declares)

    def _command(self, tokens: list[_Token]) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while tokens and tokens[0].text not in ("|", ")"):
            operands.append(self._operand(tokens))
        if not operands:
            raise self._wrong("a command is missing")
        return tuple(operands)

    def _operand(self, tokens: list[_Token]) -> Operand:
        token = tokens.pop(0)
        if token.text == "(":
            pipeline = self._pipeline(tokens)
            if not tokens:
                raise self._wrong("a closing parenthesis is missing")
            tokens.pop(0)
            return Group(pipeline, _members(tokens))
        if token.kind == "field":
            return Field(tuple(token.text.split(".")[1:]) if token.text != "." else ())
        if token.kind == "variable":
            return Variable(token.text, _members(tokens))
        if token.kind in ("text", "number"):
            return Literal(ast.literal_eval(token.text))
        if token.kind == "raw":
            return Literal(token.text[1:-1])
        if token.kind != "word":
            raise self._wrong(f"{token.text} is not expected here")
        return Literal(_CONSTANTS[token.text]) if token.text in _CONSTANTS else Function(token.text)

    def _wrong(self, what: str) -> TemplateError:
        part = self._parts[min(self._next, len(self._parts) - 1)]
        line = f":{part.line}" if isinstance(part, _Action) else ""
        return TemplateError(f"{self.name}{line}: {what}")


def _members(tokens: list[_Token]) -> tuple[str, ...]:
    if tokens and tokens[0].glued and tokens[0].kind == "field" and tokens[0].text != ".":
        return tuple(tokens.pop(0).text.split(".")[1:])
    return ()


def _split(name: str, source: str) -> list[str | _Action]:
    """Return texts and actions in turn; `{{-` and `-}}` remove the space beside them."""
    parts: list[str | _Action] = []
    at, trims = 0, False
    while (begin := source.find("{{", at)) >= 0:
        text = source[at:begin]
        inside = begin + 2
        trims_before = source.startswith("-", inside) and source[inside + 1 : inside + 2].isspace()
        parts.append(_text(text, trims, trims_before))
        line = source.count("\n", 0, begin) + 1
        tokens, at = _tokens(f"{name}:{line}", source, inside + trims_before)
        trims = source[at - 3] == "-"
        parts.append(_Action(line, tokens))
    parts.append(_text(source[at:], trims, False))
    return [part for part in parts if part]


def _text(text: str, from_left: bool, from_right: bool) -> str:
    text = text.lstrip() if from_left else text
    return text.rstrip() if from_right else text


def _tokens(place: str, source: str, at: int) -> tuple[tuple[_Token, ...], int]:
    """Return the tokens of an action and where it ends."""
    made: list[_Token] = []
    glued = False
    while True:
        if found := _COMMENT.match(source, at):
            at = found.end()
            continue
        found = _TOKEN.match(source, at)
        if found is None:
            raise TemplateError(f"{place}: {source[at : at + 10]!r} cannot be read")
        kind, at = str(found.lastgroup), found.end()
        if kind == "end":
            return tuple(made), at
        if kind != "space":
            made.append(_Token(kind, found.group(), glued))
        glued = kind != "space"
