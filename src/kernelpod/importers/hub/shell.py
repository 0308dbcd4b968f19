"""Reads the options that a command gives to a server, also where a shell runs it. Nothing is executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_SHELL = re.compile(r"(.*/)?(ba|da|a|k|z)?sh")
_RUNS_TEXT = re.compile(r"-[a-z]*c")
_SERVER = re.compile(
    r"(.*/)?(jupyterhub-singleuser|jupyter[ -](labhub|lab|notebook|server)|jupyterhub\.singleuser"
    r"|start(-singleuser|-notebook)?\.(sh|py))"
)
# What only starts another program, or sets what kernelpod sets.
_STARTERS = re.compile(r"exec|env|command|tini|-[gm]?|--|(.*/)?(python3?|jupyter)|KERNEL_\w+=.*", re.DOTALL)
# Words by which a text is more than a row of commands.
_CONTROL = frozenset(
    ("if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "{", "}", "!")
)
# Programs that only name others.
_SAYERS = ("echo", "printf")
_ALL_WORDS = ("$@", "$*", "${@}", "${*}")
_REDIRECTS = re.compile(r"\d?[<>]")
_MOST_CHARACTERS = 20_000


@dataclass
class Command:
    """What a command gives to a server."""

    options: list[str] = field(default_factory=list)
    places: set[int] = field(default_factory=set)
    """The indexes of the words that are these options; none for those in a text."""
    text: int | None = None
    """The index of the text that a shell runs."""
    more: bool = False
    """Whether the text does something else, or gives options that are not known without executing it."""


def command_of(given: Any) -> Command:
    """Return the options of a command, which is a list of words; none if it is none."""
    words = [str(one) for one in given] if isinstance(given, list) else []
    at = _text_at(words)
    if at is None:
        pairs = list(_options(words, 1))
        return Command([words[place] for place in pairs], set(pairs))
    return _of_text(words[at], words[at + 2 :], at)


def _text_at(words: list[str]) -> int | None:
    """Return the index of the text that a shell runs; None if there is no shell."""
    for number, word in enumerate(words):
        if _SHELL.fullmatch(word):
            for place in range(number + 1, len(words) - 1):
                if _RUNS_TEXT.fullmatch(words[place]):
                    return place + 1
                if not words[place].startswith("-"):
                    break
    return None


def _options(words: list[str], start: int) -> Iterator[int]:
    """Yield the indexes of options, and of values that follow them; not those that are about a gateway."""
    place = start
    while place < len(words):
        word = words[place]
        follows = "=" not in word and place + 1 < len(words) and not words[place + 1].startswith("-")
        if word.startswith("--") and word != "--" and "gateway" not in word.lower():
            yield place
            if follows:
                yield place + 1
        place += 2 if word.startswith("--") and word != "--" and follows else 1


def _of_text(text: str, arguments: list[str], at: int) -> Command:
    """Return the options of the one server that a text starts. It has the arguments as "$@"."""
    try:
        parts = list(_parts(text, arguments))
    except ValueError:
        return Command(text=at, more=True)
    servers = [part for part in parts if _server_at(part) is not None]
    if len(servers) != 1 or any(part and part[0].text in _CONTROL for part in parts):
        return Command(text=at, more=True)
    [server] = servers
    place = _server_at(server) or 0
    # What is written to a file is said at the end, and is no option.
    end = next(
        (number for number, word in enumerate(server) if _REDIRECTS.match(word.text) and not word.known), None
    )
    words = [word.text for word in server[:end]]
    known = all(word.known for word in server[place:end]) and not any(
        word.text.startswith("--") for word in server[len(words) :]
    )
    others = [part for part in parts if part is not server]
    more = (
        not known or end is not None or not all(map(_starts, words[:place])) or not all(map(_is_nothing, others))
    )
    return Command([words[one] for one in _options(words, place + 1)] if known else [], text=at, more=more)


class _Word(NamedTuple):
    """A word of a command."""

    text: str
    known: bool
    """Whether the shell makes nothing else of it."""


# What a text consists of. In a shell each piece of a word is quoted by itself.
_PIECE = re.compile(
    r"(?P<joined>\\\n)|\\(?P<escaped>.)|'(?P<single>[^']*)'|\"(?P<double>(?:[^\"\\]|\\.)*)\"|(?P<space>[ \t\r]+)"
    r"|(?P<end>[;&|\n]+)|(?P<refused>[()`\"'\\])|(?P<special>[$<>{}]|[<>]&)|(?P<plain>.)",
    re.DOTALL,
)
_IN_QUOTES = re.compile(r"\\([$`\"\\\n])")


def _parts(text: str, arguments: list[str]) -> Iterator[list[_Word]]:
    """Yield the words of each command in a text. Raises ValueError if it is more than a row of commands."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError
    part: list[_Word] = []
    word: _Word | None = None
    for found in _PIECE.finditer(f"{text}\n"):
        kind, piece = str(found.lastgroup), found[str(found.lastgroup)]
        if kind == "refused" or (kind == "plain" and piece == "#" and word is None):
            raise ValueError
        if kind in ("space", "end"):
            if word:
                part += [_Word(one, known=True) for one in arguments] if _is_all(word) else [word]
            word = None
        elif kind != "joined":
            before = word or _Word("", known=True)
            word = _Word(before.text + _plain(kind, piece), before.known and _is_known(kind, piece, before.text))
        if kind == "end":
            yield part
            part = []


def _plain(kind: str, piece: str) -> str:
    """Return what is in quotes."""
    return _IN_QUOTES.sub(lambda found: found[1].strip("\n"), piece) if kind == "double" else piece


def _is_known(kind: str, piece: str, before: str) -> bool:
    """Return whether a shell takes a piece of a word as it is."""
    if kind == "double":
        return not set(_IN_QUOTES.sub("", piece)) & set("$`")
    return kind != "special" and not (kind == "plain" and piece == "~" and not before)


def _is_all(word: _Word) -> bool:
    return not word.known and word.text in _ALL_WORDS


def _server_at(part: list[_Word]) -> int | None:
    """Return the index of the server's program: the last one that is known before the first option."""
    words = [word.text for word in part]
    first = next((place for place, word in enumerate(words) if word.startswith("--") and word != "--"), len(words))
    before = ["", *words]
    found = [
        place
        for place, word in enumerate(words[:first])
        if _SERVER.fullmatch(word) or _SERVER.fullmatch(f"{before[place]} {word}")
    ]
    return found[-1] if found and words[0] not in _SAYERS else None


def _starts(word: str) -> bool:
    """Return whether a word before the server's program only starts it."""
    return bool(_STARTERS.fullmatch(word) or _SERVER.fullmatch(word))


def _is_nothing(part: list[_Word]) -> bool:
    """Return whether a command does nothing but to set what kernelpod sets."""
    words = [word.text for word in part]
    if words[:1] == ["set"]:
        return all(re.fullmatch(r"[-+][a-z]+|pipefail", word) for word in words[1:])
    return all(word.startswith("KERNEL_") and "=" in word for word in words[words[:1] == ["export"] :])
