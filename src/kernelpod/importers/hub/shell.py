"""Reads the options that a command gives to a server, also where a shell runs it. Nothing is executed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

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
_BETWEEN = frozenset(";&|\n")
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


def _of_text(text: str, words: list[str], at: int) -> Command:
    """Return the options of the one server that a text starts. `words` are those that the text has as "$@"."""
    try:
        parts = list(_parts(text))
    except ValueError:
        return Command(text=at, more=True)
    parts = [[one for word in part for one in (words if word in _ALL_WORDS else [word])] for part in parts]
    servers = [part for part in parts if _server_at(part) is not None]
    if len(servers) != 1 or any(_is_control(part) for part in parts):
        return Command(text=at, more=True)
    [server] = servers
    start = (_server_at(server) or 0) + 1
    found = [server[place] for place in _options(server, start)]
    known = not any("$" in one or "`" in one for one in server[start:])
    others = [part for part in parts if part is not server]
    more = not known or not _only_starts(server[: start - 1]) or not all(map(_is_nothing, others))
    redirected = any(set(one) & set("<>") and not one.startswith("--") for one in server[start:])
    return Command(found if known else [], text=at, more=more or redirected)


def _parts(text: str) -> Iterator[list[str]]:
    """Yield the words of each command in a text. Raises ValueError if it is more than a row of commands."""
    if len(text) > _MOST_CHARACTERS or "`" in text:
        raise ValueError
    lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=";&|<>()\n")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    part: list[str] = []
    for word in lexer:
        if set(word) & set("()") and not set(word) - set(";&|<>()\n"):
            raise ValueError
        if word and not set(word) - _BETWEEN:
            yield part
            part = []
        elif word.startswith("#"):
            raise ValueError
        else:
            part.append(word)
    yield part


def _server_at(part: list[str]) -> int | None:
    """Return the index of the server's program: the last one that is known before the first option."""
    first = next((place for place, word in enumerate(part) if word.startswith("--") and word != "--"), len(part))
    before = ["", *part]
    found = [
        place
        for place, word in enumerate(part[:first])
        if _SERVER.fullmatch(word) or _SERVER.fullmatch(f"{before[place]} {word}")
    ]
    return found[-1] if found and part[0] not in _SAYERS else None


def _only_starts(words: list[str]) -> bool:
    return all(_STARTERS.fullmatch(word) or _SERVER.fullmatch(word) for word in words)


def _is_nothing(part: list[str]) -> bool:
    """Return whether a command does nothing but to set what kernelpod sets."""
    if part[:1] == ["set"]:
        return all(re.fullmatch(r"[-+][a-z]+|pipefail", word) for word in part[1:])
    return all(word.startswith("KERNEL_") and "=" in word for word in part[part[:1] == ["export"] :])


def _is_control(part: list[str]) -> bool:
    return bool(part) and part[0] in _CONTROL
