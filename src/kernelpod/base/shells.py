"""Runs scripts in a POSIX shell, of this machine or by ssh, and returns their output."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import Protocol

from kernelpod.errors import KernelpodError

SECONDS = 300.0
CONNECT_SECONDS = 10
LAST_WORDS = 1000
_PLACE = re.compile(r"(?P<host>[A-Za-z0-9_][^\s:/]*|[A-Za-z0-9_][^\s:/]*@\[[0-9a-fA-F:]+\]):(?P<folder>/[^\0]*)")


class RemoteError(KernelpodError):
    """The remote machine cannot be reached, or a command failed there."""

    def __init__(self, message: str, status: int = 0, output: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.output = output


class Shell(Protocol):
    """A shell that runs scripts."""

    def run(self, script: str, *words: str, given: bytes = b"", seconds: float = SECONDS) -> bytes:
        """Return the output of a script with the arguments `words` and the input `given`. Raises RemoteError."""
        ...


def asked(command: list[str], given: bytes = b"", seconds: float = SECONDS) -> bytes:
    """Return the output of a command. Raises RemoteError with the end of stderr if it fails or times out."""
    name = command[0]
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=seconds)
    except FileNotFoundError as error:
        raise RemoteError(f"{name} is not on PATH; install it") from error
    except subprocess.TimeoutExpired as error:
        raise RemoteError(f"{name} did not finish within {seconds:g} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-LAST_WORDS:] or f"exit status {done.returncode}"
        raise RemoteError(f"{name}: {said}", done.returncode, done.stdout)
    return done.stdout


class LocalShell:
    """A shell of this machine."""

    def run(self, script: str, *words: str, given: bytes = b"", seconds: float = SECONDS) -> bytes:
        """Return the output of the script. Raises RemoteError."""
        return asked(["sh", "-c", script, "sh", *words], given, seconds)


@dataclass(frozen=True)
class SshShell:
    """A shell over ssh. The login must work without a password prompt, with a key or an agent."""

    host: str

    def run(self, script: str, *words: str, given: bytes = b"", seconds: float = SECONDS) -> bytes:
        """Return the output of the script. Raises RemoteError."""
        options = [
            "-o",
            "BatchMode=yes",
            "-o",
            f"ConnectTimeout={CONNECT_SECONDS}",
            "-o",
            "ServerAliveInterval=15",
        ]
        command = shlex.join(["sh", "-c", script, "sh", *words])
        return asked(["ssh", *options, "--", self.host, command], given, seconds)


def ssh_place(text: str) -> tuple[str, str]:
    """Return host and folder of USER@HOST:/FOLDER. Raises RemoteError."""
    found = _PLACE.fullmatch(text)
    if not found:
        raise RemoteError(f"{text!r} is not a valid location for ssh; write USER@HOST:/FOLDER")
    return found["host"], found["folder"]
