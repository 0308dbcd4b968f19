"""IPython's kernel for exams: no shell, no processes, no connections, and only the imports of a list.

It refuses what an exam does not allow, with an error message. It is not a sandbox: users who know Python well can
bypass it inside the process. The limits outside are reliable: the pod's network profile, user id and mounts.
"""

from __future__ import annotations

import builtins
import os
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, NoReturn

from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelapp import IPKernelApp
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.error import UsageError
from traitlets import Type

ALLOWED_IMPORTS = Path(__file__).with_name("allowed-imports.txt")
# Magics that neither start programs nor read, write or run files.
MAGICS = frozenset({"matplotlib", "pdoc", "pinfo", "pinfo2", "pprint", "precision", "reset"})
MAGICS |= {"html", "latex", "markdown", "psearch", "svg", "time", "timeit", "who", "who_ls", "whos", "xmode"}
# Prefixes of Python's audit events. An audit hook cannot be removed.
PROCESSES = ("os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn", "subprocess.")
CONNECTIONS = ("socket.bind", "socket.connect", "socket.get", "socket.send")
# Code in these folders belongs to the image. Everything else is a cell's or in the home.
_FOLDERS = {f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")}
_INSTALLED = ("<frozen ", *_FOLDERS)


def allowed_imports(text: str) -> frozenset[str]:
    """Return the names in a list of modules with one per line and comments after `#`."""
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    return frozenset(filter(None, names))


def guard_imports(allowed: frozenset[str]) -> None:
    """Let cells import only the allowed modules and their submodules."""
    original = builtins.__import__

    def guarded(name: str, *how: Any, **named: Any) -> Any:
        parts = name.split(".")
        fits = any(".".join(parts[:length]) in allowed for length in range(1, len(parts) + 1))
        if not fits and not sys._getframe(1).f_code.co_filename.startswith(_INSTALLED):
            raise ImportError(f"{name!r} may not be imported here; {ALLOWED_IMPORTS} lists the allowed modules.")
        return original(name, *how, **named)

    builtins.__import__ = guarded


def guard_system(event: str, _arguments: object) -> None:
    """Audit hook: refuse processes and connections."""
    if event.startswith(PROCESSES):
        raise PermissionError("Programs may not be started here.")
    if event.startswith(CONNECTIONS):
        raise PermissionError("Connections may not be opened here.")


def _allow_magic(name: str) -> None:
    if name.lstrip("%") not in MAGICS:
        raise UsageError(f"{name} is not allowed here.")


class ExamShell(ZMQInteractiveShell):  # type: ignore[misc]
    """A shell that runs cells and harmless magics, and no programs."""

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        """Run one of the listed magics."""
        _allow_magic(f"%{magic_name}")
        return super().run_line_magic(magic_name, line, _stack_depth + 1)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        """Run one of the listed magics."""
        _allow_magic(f"%%{magic_name}")
        return super().run_cell_magic(magic_name, line, cell)

    def refuse(self, *_: object, **__: object) -> NoReturn:
        """Refuse a shell command."""
        raise UsageError("Shell commands are not allowed here.")

    system = system_piped = system_raw = getoutput = refuse


class ExamKernel(IPythonKernel):  # type: ignore[misc]
    """A kernel whose guards are active before its first cell."""

    shell_class = Type(ExamShell)

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        guard_imports(allowed_imports(ALLOWED_IMPORTS.read_text(encoding="utf-8")))
        sys.addaudithook(guard_system)


if __name__ == "__main__":
    # A profile in the home would run before the guards are active.
    with tempfile.TemporaryDirectory() as profile:
        os.environ["IPYTHONDIR"] = profile
        IPKernelApp.launch_instance(kernel_class=ExamKernel)
