"""Servers of two students and a grader, as sandboxes that see what their courses file mounts and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernelpod.base.names import user_slug
from kernelpod.courses.course_access import EXCHANGE_FOLDERS, Membership, course_mounts, exchange_environment
from kernelpod.courses.model import HubFile
from kernelpod.runtime.local.mounting import Bind
from kernelpod.runtime.local.sandbox import Sandbox, in_sandbox
from kernelpod.settings.sections import Settings

CHECKOUT = Path(__file__).parents[2]
HOME = "/home/jovyan"
CONFIG = """
from kernelpod.grading.exchange import configure
c = get_config()
configure(c)
"""
# What Lab's assignment list runs in the server for its buttons.
BUTTON = """
import json, sys
from nbgrader.server_extensions.assignment_list.handlers import AssignmentList
manager = AssignmentList()
manager.root_dir = "/home/jovyan"
done = getattr(manager, sys.argv[1])(*sys.argv[2:])
print(json.dumps([done, manager.list_assignments()]))
"""


@dataclass(frozen=True)
class Server:
    """One user's server; commands run in it one at a time."""

    name: str
    home: Path
    sandbox: Sandbox
    told: dict[str, str]
    """What the spawner tells nbgrader."""

    def run(self, *argv: str, status: int = 0) -> str:
        """Return what a command prints, log and all; fails if it does not end as expected."""
        env = {
            "PATH": f"{sys.prefix}/bin:/usr/bin:/bin",
            "HOME": HOME,
            "JUPYTERHUB_USER": self.name,
            **self.told,
            "LANG": "C.UTF-8",
        }
        with in_sandbox(self.sandbox, list(argv)) as command:
            done = subprocess.run(
                command.words,
                pass_fds=command.descriptors,
                env=env,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{self.name}: {' '.join(argv)}: {said[-4000:]}"
        return said

    def nbgrader(self, *words: str, status: int = 0) -> str:
        """Return what an nbgrader command prints."""
        return self.run("nbgrader", *words, status=status)

    def button(self, *words: str) -> list[dict[str, Any]]:
        """Return what Lab's assignment list shows after one of its buttons was pressed."""
        said = self.run("python", "-W", "ignore", "-c", BUTTON, *words)
        done, listed = next(json.loads(line) for line in said.splitlines() if line.startswith('[{"success"'))
        assert done == {"success": True}, said
        assignments: list[dict[str, Any]] = listed["value"]
        return assignments


class Classroom:
    """A course's storage, and servers on it."""

    def __init__(self, root: Path, students: dict[str, int], grader: tuple[str, int]) -> None:
        self.root = root
        self.hub = HubFile.model_validate(
            {
                "semester": "ws26",
                "storage": {"root": str(root / "courses"), "volume": {"kind": "nfs", "server": "10.0.0.5"}},
                "courses": {"ml": {"image": "lab:1", "exchange": {}}},
            }
        )
        self.settings = Settings.model_validate({"homes": {"root": str(root / "homes")}})
        self.exchange = root / "courses/exchange/ws26/ml"
        self._make_folders(students, grader[1])
        self.students = {name: self._server(name, uid, "student") for name, uid in students.items()}
        self.grader = self._server(*grader, "grader")

    def _make_folders(self, students: dict[str, int], grader: int) -> None:
        for folder in EXCHANGE_FOLDERS:
            _folder(self.exchange / folder, grader)
        for name, uid in students.items():
            _folder(self.exchange / "inbound" / user_slug(name), uid)
            _folder(self.exchange / "feedback" / user_slug(name), grader)
        _own(self.exchange, grader)

    def _server(self, name: str, uid: int, role: Any) -> Server:
        member = Membership("ml", "ws26", role)
        made = course_mounts(self.hub, self.settings, name, (), member)
        home = Path(made.home.path)
        _folder(home / ".jupyter", uid)
        _own(home, uid)
        (home / ".jupyter/nbgrader_config.py").write_text(CONFIG, encoding="utf-8")
        places = [(sys.base_prefix, sys.base_prefix), (str(CHECKOUT), str(CHECKOUT))]
        system = tuple(
            Bind(source, target, read_only=True) for source, target in places if not source.startswith("/usr")
        )
        told = exchange_environment(self.hub, member, name)
        return Server(name, home, Sandbox(system, made, uid=uid, gid=uid, groups=(), working_dir=HOME), told)


def _folder(path: Path, owner: int) -> None:
    path.mkdir(parents=True)
    _own(path, owner)


def _own(path: Path, owner: int) -> None:
    if os.getuid() == 0:
        os.chown(path, owner, owner)


def notebook(answer: str) -> str:
    """Return a notebook with a task and the tests of it."""

    def cell(source: str, name: str, **of: Any) -> dict[str, Any]:
        told = {
            "schema_version": 3,
            "grade_id": name,
            "locked": False,
            "grade": False,
            "solution": False,
            "task": False,
        }
        return {
            "cell_type": "code",
            "id": name,
            "metadata": {"nbgrader": told | of},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }

    task = cell(
        f"def square(x):\n    ### BEGIN SOLUTION\n    {answer}\n    ### END SOLUTION\n", "task", solution=True
    )
    tests = cell("assert square(3) == 9\n", "tests", grade=True, locked=True, points=5)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": [task, tests], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
