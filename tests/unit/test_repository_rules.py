"""Rules of the code base that a machine can check."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernelpod import errors
from kernelpod.errors import CODES, UserError

SOURCE = Path(errors.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_LINES = 330
CHECKOUT = Path(__file__).parents[2]
SERVED = {"hub", "singleuser"}  # what the hub and users' servers load

# Run with no environment: imports the named modules and fails on the first thing of ours that an import must
# not do. Who does it is the nearest module on the stack that is not of the standard library.
IMPORTER = """
import importlib, sys
FORBIDDEN = {"socket.bind", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.mkdir",
             "os.remove", "os.rename", "shutil.rmtree"}
def doer():
    frame = sys._getframe(2)
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in sys.stdlib_module_names or frame.f_globals.get("__spec__") is None:
            return package
        frame = frame.f_back
def watch(event, arguments):
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if (event in FORBIDDEN or writes) and doer() in ("kernelpod", "__main__"):
        raise SystemExit(f"an import of kernelpod did {event} {arguments}")
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        if str(error.name).startswith("kernelpod"):
            raise
    else:
        print(name)
"""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported(names: list[str]) -> set[str]:
    command = [sys.executable, "-I", "-c", IMPORTER, *names]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(done.stdout.split())


def test_imports_do_no_work() -> None:
    """No network, file or process, with an empty environment; parts without their extra are left out."""
    names = [module_name(path) for path in MODULES if path.stem != "__main__"]
    assert {"kernelpod.start.policy", "kernelpod.pods.kernel"} <= imported(names)


def test_the_check_of_imports_sees_what_an_import_does(tmp_path: Path) -> None:
    worker = "import socket, pathlib\nsocket.getaddrinfo('localhost', 1)\n"
    probe = IMPORTER.replace('"kernelpod", ', '"working", ')
    (tmp_path / "working.py").write_text(worker, encoding="utf-8")
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{probe}", "working"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "did socket.getaddrinfo" in done.stderr


@pytest.mark.hub
def test_imports_of_the_hubs_side_do_no_work() -> None:
    imported([module_name(path) for path in MODULES if path.relative_to(SOURCE).parts[0] in SERVED])


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES


def trees() -> Iterator[tuple[Path, ast.Module]]:
    return ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES if path.stem != "errors")


def error_classes() -> set[str]:
    return {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, UserError)}


def test_every_documented_code_is_used() -> None:
    words = {
        node.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    used = words | {"access_revoked", "home_missing", "kernel_not_found"}  # errors.py makes them itself
    assert set(CODES) - used == set()


def test_every_code_that_is_used_is_documented() -> None:
    found = 0
    for path, tree in trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in error_classes() and call.args:
                code = call.args[0]
                found += 1
                assert not isinstance(code, ast.Constant) or code.value in CODES, f"{path}: {code.value}"
    assert found > 20


def test_an_undocumented_code_cannot_be_raised() -> None:
    with pytest.raises(ValueError, match="undocumented error code 'oops'"):
        UserError("oops", "x")


def test_the_same_sentence_is_in_reason_and_message() -> None:
    body = errors.Denied("foreign_home", "No.", detail="for the log").body()
    assert body == {"reason": "No.", "message": "No.", "code": "foreign_home"}


def test_a_foreign_kernel_and_one_that_never_was_sound_the_same() -> None:
    one, other = (errors.kernel_not_found(kernel_id) for kernel_id in ("a", "b"))
    assert one.message.replace("a", "b", 1) != one.message
    assert (one.status, one.code, one.message[:-1]) == (other.status, other.code, other.message[:-1])


def test_the_gateway_does_without_an_ssh_client() -> None:
    pytest.importorskip("enterprise_gateway", reason="the base package has no gateway")
    code = "import sys, kernelpod.gateway.app as _; print({'cryptography', 'nacl'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "set()\n", done.stderr


def test_each_promise_of_security_names_a_test_that_exists() -> None:
    text = (CHECKOUT / "docs" / "security.md").read_text(encoding="utf-8")
    promises = text[: text.index("## Identity")]
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in promises.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if row[0].strip() not in ("promise", "---")]
    assert len(rows) > 30
    for promise, runtime, shown_by in rows:
        assert runtime.strip() in ("both", "one machine", "cluster", "cluster with NetworkPolicy"), promise
        named = re.findall(r"`([^`]+)`", shown_by)
        assert named, promise
        for one in named:
            paths = (CHECKOUT / one, CHECKOUT / "tests" / "unit" / one, CHECKOUT / "tests" / "chart" / one)
            is_target = one.startswith("make ") and f"\n{one.split()[1]}: " in makefile
            assert is_target or any(path.is_file() for path in paths), one
