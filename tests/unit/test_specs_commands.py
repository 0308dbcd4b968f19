"""`kernelpod specs`: publish, look, go back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from kernelpod.cli.main import main
from kernelpod.kernelspecs.usage import UsageError, running

GOOD = {
    "display_name": "Python",
    "language": "python",
    "argv": ["python", "-f", "{connection_file}"],
    "interrupt_mode": "message",
    "metadata": {
        "kernelpod": {"image": "kernel:1", "profiles": {"large": {"display_name": "Large", "groups": ["g"]}}}
    },
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with one good kernelspec."""
    folder = tmp_path / "source" / "python-pod"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(GOOD), encoding="utf-8")
    (folder / "logo-svg.svg").write_text("<svg/>", encoding="utf-8")
    return folder.parent


def change(source: Path, **keys: Any) -> None:
    """Change the kernelspec."""
    (source / "python-pod" / "kernel.json").write_text(json.dumps({**GOOD, **keys}), encoding="utf-8")


def run(*words: object, status: int = 0) -> str:
    """Return what `kernelpod specs ...` printed."""
    done = CliRunner().invoke(main, ["specs", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return done.output


def test_publish_change_look_and_go_back(source: Path, tmp_path: Path) -> None:
    where = ("--source", source, "--target", tmp_path / "nfs")
    assert "python-pod/kernel.json" in run("diff", *where, status=1)
    assert "+++ b/python-pod/kernel.json" in run("sync", *where, "--dry-run")
    assert not (tmp_path / "nfs").exists()
    first = json.loads(run("sync", *where, "--json"))
    assert (first["published"], first["kernelspecs"]) == (True, ["python-pod"])
    assert run("diff", *where) == ""
    assert run("sync", *where) == f"{first['release']} is live already\n"
    change(source, display_name="Other")
    assert '+{"display_name": "Other"' in run("diff", *where, status=1)
    second = run("sync", *where).split()[0]
    newest, oldest = json.loads(run("history", "--target", tmp_path / "nfs", "--json"))
    assert (newest["name"], newest["live"], oldest["live"]) == (second, True, False)
    assert run("rollback", "--target", tmp_path / "nfs") == f"{first['release']} is live\n"
    assert "live  " + first["release"] in run("history", "--target", tmp_path / "nfs")


def test_images_are_listed_once(source: Path) -> None:
    assert run("images", source) == "kernel:1\n"
    assert json.loads(run("images", source, "--json")) == ["kernel:1"]


def test_a_new_kernelspec_passes_lint_but_for_its_logo(tmp_path: Path) -> None:
    words = ("--into", tmp_path, "--image", "registry.example/r:4", "--language", "R")
    command = "R --slave -e 'IRkernel::main()' --args {connection_file}"
    run("new", "r-pod", *words, "--command", command)
    (fault,) = json.loads(run("lint", tmp_path, "--format", "json"))
    assert fault["code"] == "logo-missing"
    assert "is there already" in run("new", "r-pod", *words, "--command", command, status=1)
    assert "connection_file" in run("new", "s-pod", *words, "--command", "R", status=1)
    assert [path.name for path in tmp_path.iterdir()] == ["r-pod"]


def test_faults_publish_nothing_and_are_named(source: Path, tmp_path: Path) -> None:
    change(source, env={"DB_PASSWORD": "hunter2"})
    said = run("sync", "--source", source, "--target", tmp_path / "nfs", status=1)
    assert "nothing is published" in said
    assert "python-pod/kernel.json:1:" in said
    assert "hunter2" not in said
    assert not (tmp_path / "nfs").exists()


@pytest.mark.parametrize(("groups", "names"), [((), ["python-pod", "python-pod.large"]), (("h",), ["python-pod"])])
def test_the_list_shows_what_a_user_sees(source: Path, groups: tuple[str, ...], names: list[str]) -> None:
    chosen = [word for group in groups for word in ("--group", group)]
    assert [row["address"] for row in json.loads(run("list", source, "--json", *chosen))] == names
    assert all(name in run("list", source, *chosen) for name in names)


@pytest.fixture
def gateway() -> Iterator[str]:
    """A gateway that runs two kernels of python-pod, for whoever has the right token; /away leads to it."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/away"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/away"))
                self.end_headers()
                return
            right = self.headers["Authorization"] == "token admin-token" and self.path == "/api/kernels"
            self.send_response(200 if right else 403)
            self.end_headers()
            self.wfile.write(json.dumps([{"name": "python-pod"}, {"name": "python-pod.large"}]).encode())

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_kernelspec_of_running_kernels_is_not_taken_away(source: Path, tmp_path: Path, gateway: str) -> None:
    token = tmp_path / "token"
    token.write_text("admin-token\n", encoding="utf-8")
    where = ("--source", source, "--target", tmp_path / "nfs")
    asked = ("--gateway", gateway, token)
    run("sync", *where)
    (source / "python-pod").rename(source / "other-pod")
    said = run("sync", *where, *asked, status=1)
    assert "kernels run of what would go: python-pod (2)" in said
    token.write_text("wrong", encoding="utf-8")
    assert "answers 403" in run("sync", *where, *asked, status=1)
    assert json.loads(run("history", "--target", tmp_path / "nfs", "--json"))[1:] == []
    run("sync", *where)


def test_a_redirect_does_not_take_the_token_along(gateway: str) -> None:
    token = SecretStr("admin-token")
    assert running(gateway, token) == {"python-pod": 2}
    with pytest.raises(UsageError, match="answers 302"):
        running(f"{gateway}/away", token)


def test_a_damaged_live_release_is_replaced(source: Path, tmp_path: Path) -> None:
    where = ("--source", source, "--target", tmp_path / "nfs")
    run("sync", *where)
    (tmp_path / "nfs" / "kernelspecs" / "python-pod" / "link").symlink_to("/etc")
    assert "is a symbolic link" in run("history", "--target", tmp_path / "nfs")
    run("sync", *where)
    assert run("diff", *where) == ""


def test_a_target_that_cannot_be_written_is_said_in_a_sentence(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = run("sync", "--source", source, "--target", tmp_path / "file" / "nfs", status=1)
    assert said.startswith("kernelpod: ")
    assert "Not a directory" in said
