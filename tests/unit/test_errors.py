"""A home that is not there: one sentence, one code, wherever it is noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import kernelpod
from kernelpod.errors import home_missing

SOURCE = Path(kernelpod.__file__).parent


def test_what_is_missing_and_what_to_do_is_said() -> None:
    said = home_missing("home folder '/homes/alice'", makes="kernelpod homes make", detail="for the log")
    assert said.message == (
        "Your home folder '/homes/alice' does not exist yet. It is created when your server starts. "
        "Restart your server; if it is still missing, ask an admin to run `kernelpod homes make`."
    )
    assert (said.code, said.detail) == ("home_missing", "for the log")
    assert home_missing("home, the claim c,").message.endswith("if it is still missing, ask an admin.")


def test_a_home_that_the_hub_does_not_make_is_the_admins() -> None:
    said = home_missing("folder '/homes/alice'", by_admin=True)
    assert "An admin must create it" in said.message
    assert "Restart your server" not in said.message


def test_nobody_words_it_anew() -> None:
    wording = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value == "home_missing"
    }
    assert wording == {"errors.py"}
