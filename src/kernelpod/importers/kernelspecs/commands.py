"""Decides which paths of an old command line stay, and says what the image must hold for them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import NamedTuple

from kernelpod.importers.report import Change

# Folders of programs that images have on PATH; a program in another one is of an environment of its own.
_ON_PATH = frozenset(
    {
        *("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/conda/bin"),
        *("/usr/lib/R/bin", "/usr/lib64/R/bin", "/usr/local/lib/R/bin", "/opt/homebrew/bin", "/snap/bin"),
    }
)
_PYTHON = re.compile(r"python\d*(?P<version>\.\d+)*")
_CONDA = re.compile(r"(?P<prefix>/.*/envs/[^/]+)/bin/[^/]+")
_PATH = re.compile(r"(?:^|=)(?P<path>/(?!dev/|proc/)[^\s:=]+)$")
_KERNELS = {"R": "r-irkernel"}
_FOLDER = "{resource_dir}"


class Word(NamedTuple):
    """A word of the new command line, and what there is to say of it."""

    text: str
    change: Change | None = None
    why: str = ""


def word_of(word: str, folder: str, *, first: bool) -> Word:
    """Return a word of a command line as a pod has it. `folder` is where the image has the old folder's files."""
    if _FOLDER in word:
        return _in_folder(word, folder)
    if "/" in word and (first or _is_program(PurePosixPath(word))):
        return _program(word)
    if found := _PATH.search(word):
        return Word(word, "left", _copy(found["path"]))
    return Word(word)


def _in_folder(word: str, folder: str) -> Word:
    new = word.replace(_FOLDER, folder)
    beside = word.partition(_FOLDER)[2].lstrip("/")
    copied = f"COPY {beside or '.'} {folder}/{beside}"
    return Word(
        new, "left", f"it is {new} now, and the image must hold that: write `{copied}` into its Dockerfile"
    )


def _is_program(path: PurePosixPath) -> bool:
    """Return whether a path is that of a program, which another one, such as a script, is to start."""
    return path.is_absolute() and (str(path.parent) in _ON_PATH or bool(_environment(path)))


def _program(word: str) -> Word:
    path = PurePosixPath(word)
    if str(path.parent) in _ON_PATH and not path.suffix[1:].isalpha():
        name = "python" if _PYTHON.fullmatch(path.name) else path.name
        return Word(name, "changed", f"{word} is {name} now, and the image must have that on PATH")
    if made := _environment(path):
        why = f"the image must have this environment: write for example `RUN {made}` into its Dockerfile"
        return Word(word, "warning", why)
    return Word(word, "left", _copy(word))


def _environment(path: PurePosixPath) -> str:
    """Return the command that makes the environment of a program; empty if it is of none."""
    python = _PYTHON.fullmatch(path.name)
    if conda := _CONDA.fullmatch(str(path)):
        version = f"{path.name.replace('python', 'python=')} " if python and python["version"] else ""
        package = "ipykernel" if python else _KERNELS.get(path.name, path.name)
        return f"conda create --yes --prefix {conda['prefix']} {version}{package}"
    if not python or path.parent.name != "bin":
        return ""
    maker = "python3" if path.name == "python" else path.name
    return f"{maker} -m venv {path.parents[1]} && {path.parent}/pip install ipykernel"


def _copy(path: str) -> str:
    copied = f"COPY {PurePosixPath(path).name} {path}"
    return f"a path of the old machine: unless the image holds {path}, write `{copied}` into its Dockerfile"
