"""`kernelpod specs`: publish, look, go back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr

from kernelpod.cli.main import main
from kernelpod.kernelspecs.linting.kinds import Finding
from kernelpod.kernelspecs.publishing.usage import UsageError, running
from kernelpod.kernelspecs.registries.images import Answer

# No test asks a registry on the network.
SKIP = ("--images", "skip")
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
    assert json.loads(run("diff", *where, "--json", status=1))["python-pod/kernel.json"] == "added"
    assert "+++ b/python-pod/kernel.json" in run("sync", *where, *SKIP, "--dry-run")
    assert not (tmp_path / "nfs").exists()
    first = json.loads(run("sync", *where, *SKIP, "--json"))
    assert (first["published"], first["kernelspecs"]) == (True, ["python-pod"])
    assert run("diff", *where) == ""
    assert run("diff", *where, "--json") == "{}\n"
    assert run("sync", *where, *SKIP) == f"{first['release']} is live already\n"
    change(source, display_name="Other")
    assert '+{"display_name": "Other"' in run("diff", *where, status=1)
    second = run("sync", *where, *SKIP).split()[0]
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
    (finding,) = json.loads(run("lint", tmp_path, "--format", "json"))
    assert finding["code"] == "logo-missing"
    assert "already exists" in run("new", "r-pod", *words, "--command", command, status=1)
    assert "connection_file" in run("new", "s-pod", *words, "--command", "R", status=1)
    assert "No closing quotation" in run("new", "s-pod", *words, "--command", "R 'x", status=1)
    assert json.loads((tmp_path / "r-pod" / "kernel.json").read_bytes())["interrupt_mode"] == "signal"
    assert [path.name for path in tmp_path.iterdir()] == ["r-pod"]


def test_a_new_kernelspec_is_made_like_another_one(source: Path, tmp_path: Path) -> None:
    into = ("--into", tmp_path / "new")
    run("new", "course-pod", *into, "--like", source / "python-pod", "--image", "course:1")
    made = json.loads((tmp_path / "new" / "course-pod" / "kernel.json").read_bytes())
    elsewhere = ("--into", tmp_path / "elsewhere", "--like", source / "python-pod", "--image", "course:1")
    told = run("new", "course-pod", *elsewhere, "--json")
    assert json.loads(told)["kernel_json"]["metadata"] == made["metadata"]
    assert (made["display_name"], made["argv"], made["metadata"]["kernelpod"]["image"]) == (
        "Course pod",
        GOOD["argv"],
        "course:1",
    )
    assert made["metadata"]["kernelpod"]["profiles"] == GOOD["metadata"]["kernelpod"]["profiles"]  # type: ignore[index]
    assert run("lint", tmp_path / "new", "--strict")
    run("new", "b-pod", *into, "--like", "python-pod")
    assert "there is no kernelspec none" in run("new", "c-pod", *into, "--like", "none", status=1)


def test_what_is_not_given_is_asked_for(tmp_path: Path) -> None:
    answers = "kernel:1\npython\npython -m ipykernel_launcher -f {connection_file}\n"
    done = CliRunner().invoke(main, ["specs", "new", "a-pod", "--into", str(tmp_path)], input=answers)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "a-pod" / "kernel.json").read_bytes())["argv"][2] == "ipykernel_launcher"


def test_faults_publish_nothing_and_are_named(source: Path, tmp_path: Path) -> None:
    change(source, env={"DB_PASSWORD": "hunter2"})
    said = run("sync", "--source", source, "--target", tmp_path / "nfs", *SKIP, status=1)
    assert "nothing was published" in said
    assert "python-pod/kernel.json:1:" in said
    assert "hunter2" not in said
    assert not (tmp_path / "nfs").exists()


@pytest.mark.parametrize(("groups", "names"), [((), ["python-pod", "python-pod.large"]), (("h",), ["python-pod"])])
def test_the_list_shows_what_a_user_sees(source: Path, groups: tuple[str, ...], names: list[str]) -> None:
    chosen = [word for group in groups for word in ("--group", group)]
    assert [row["address"] for row in json.loads(run("list", source, "--json", *chosen))] == names
    printed = run("list", source, *chosen).splitlines()
    assert all(name in " ".join(printed) for name in names)
    assert printed == [line.rstrip() for line in printed]


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
    run("sync", *where, *SKIP)
    (source / "python-pod").rename(source / "other-pod")
    said = run("sync", *where, *SKIP, *asked, status=1)
    assert "kernels of removed kernelspecs are running: python-pod (2)" in said
    token.write_text("wrong", encoding="utf-8")
    assert "answers 403" in run("sync", *where, *SKIP, *asked, status=1)
    assert json.loads(run("history", "--target", tmp_path / "nfs", "--json"))[1:] == []
    run("sync", *where, *SKIP)


def test_a_redirect_does_not_take_the_token_along(gateway: str) -> None:
    token = SecretStr("admin-token")
    assert running(gateway, token) == {"python-pod": 2}
    with pytest.raises(UsageError, match="answers 302"):
        running(f"{gateway}/away", token)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, str]]:
    """Return what registries say of images; the test may change it. Others are found."""
    said: dict[str, tuple[str, str]] = {}
    monkeypatch.setattr(
        "kernelpod.cli.specs.image_checks.ask",
        lambda images, _: [Answer(image, *said.get(image, ("found", ""))) for image in images],
    )
    return said


def test_images_are_asked_for_before_a_release(source: Path, tmp_path: Path, answers: dict[str, Any]) -> None:
    where = ("--source", source, "--target", tmp_path / "nfs")
    answers["kernel:1"] = ("missing", "docker.io does not have it")
    assert "kernel:1: missing: docker.io does not have it" in run("sync", *where, status=1)
    assert not (tmp_path / "nfs").exists()
    assert json.loads(run("check-images", source, "--json", status=1))[0]["state"] == "missing"
    answers["kernel:1"] = ("unknown", "no network")
    assert "kernel:1: unknown: no network" in run("sync", *where, "--images", "require", status=1)
    assert "unknown  kernel:1  no network" in run("check-images", source)
    said = run("sync", *where)
    assert "warning: kernel:1: no network" in said
    assert "is live" in said
    answers["kernel:1"] = ("missing", "")
    assert "is live already" in run("sync", *where)


def test_nodes_are_asked_for_images(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernelpod.cli.specs.image_checks.find_kubectl", lambda _context: ("kubectl",))
    monkeypatch.setattr(
        "kernelpod.cli.specs.image_checks.Cluster.items",
        lambda *_: [{"status": {"images": [{"names": ["docker.io/library/kernel:2"]}]}}],
    )
    assert "missing  kernel:1  on 0 of 1 nodes" in run("check-images", source, "--nodes", status=1)
    where = ("--source", source, "--target", tmp_path / "nfs")
    assert "nothing was published" in run("sync", *where, "--images", "nodes", status=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give exactly one of --target, --ssh and --pvc"),
        (("--target", "x", "--ssh", "h:/x"), "Give exactly one of"),
        (("--pvc", "specs"), "--pvc requires --namespace"),
        (("--pvc", "specs", "--namespace", "g", "--path", "../x"), "--path must not contain"),
    ],
)
@pytest.mark.parametrize("verb", ["diff", "sync", "history", "rollback"])
def test_a_place_has_to_be_named(verb: str, words: tuple[str, ...], said: str) -> None:
    assert said in run(verb, *words, status=2)


def test_what_is_live_is_listed_as_a_user_sees_it(source: Path, tmp_path: Path) -> None:
    place = ("--target", tmp_path / "nfs")
    assert run("list", *place) == ""
    run("sync", "--source", source, *place, *SKIP)
    assert "python-pod.large" in run("list", *place)
    assert "large" not in run("list", *place, "--user", "alice")
    assert "large" in run("list", *place, "--user", "alice", "--group", "g")
    run("list", "--target", tmp_path, "--ssh", "host:/x", status=2)


def test_releases_over_ssh(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nexec sh -c "$3"\n', encoding="utf-8")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    place = ("--ssh", f"admin@host:{tmp_path / 'nfs'}")
    where = ("--source", source, *place)
    first = json.loads(run("sync", *where, *SKIP, "--json"))["release"]
    change(source, display_name="Other")
    assert '+{"display_name": "Other"' in run("diff", *where, status=1)
    run("sync", *where, *SKIP)
    assert json.loads(run("rollback", *place, "--json")) == {"release": first}
    assert [release["live"] for release in json.loads(run("history", *place, "--json"))] == [False, True]
    assert "is the oldest release" in run("rollback", *place, status=1)


def test_render_is_the_same_command(source: Path) -> None:
    said = run(
        "render", "--kernelspecs", source, "--user", "alice", "--spec", "python-pod", "--settings", "/dev/null"
    )
    assert said.count("kind: ") == 2


def test_colours_are_for_terminals_that_want_them(source: Path, tmp_path: Path) -> None:
    change(source, language="klingon")
    words = ["specs", "lint", str(source)]
    assert "\x1b[" not in CliRunner().invoke(main, words).output
    assert "\x1b[33mwarning\x1b[0m" in CliRunner().invoke(main, words, color=True).output
    diff = ["specs", "diff", "--source", str(source), "--target", str(tmp_path / "nfs")]
    assert "\x1b[32m+" in CliRunner().invoke(main, diff, color=True).output
    assert "\x1b[" not in CliRunner().invoke(main, diff, color=True, env={"NO_COLOR": "1"}).output


def test_a_damaged_live_release_is_replaced(source: Path, tmp_path: Path) -> None:
    where = ("--source", source, "--target", tmp_path / "nfs")
    run("sync", *where, *SKIP)
    (tmp_path / "nfs" / "kernelspecs" / "python-pod" / "link").symlink_to("/etc")
    assert "is a symbolic link" in run("history", "--target", tmp_path / "nfs")
    run("sync", *where, *SKIP)
    assert run("diff", *where) == ""


def test_a_folder_that_changes_meanwhile_is_not_published(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(folder: Path, *_: object) -> list[Finding]:
        change(folder, display_name="Other")
        return []

    monkeypatch.setattr("kernelpod.cli.specs.publish.find_findings", slow)
    said = run("sync", "--source", source, "--target", tmp_path / "nfs", *SKIP, status=1)
    assert "changed while it was read; nothing was published" in said
    assert not (tmp_path / "nfs").exists()


@pytest.mark.parametrize(
    "text",
    ["", "[" * 10_000 + "]" * 10_000, '{"argv": [], "argv": []}', "\ufeff{}"],
    ids=["0", "deep", "twice", "bom"],
)
def test_a_kernel_json_that_is_none_is_not_published(source: Path, tmp_path: Path, text: str) -> None:
    (source / "python-pod" / "kernel.json").write_text(text, encoding="utf-8")
    said = run("sync", "--source", source, "--target", tmp_path / "nfs", *SKIP, status=1)
    assert "python-pod/kernel.json:1:" in said
    assert not (tmp_path / "nfs").exists()


def test_a_target_that_cannot_be_written_is_said_in_a_sentence(source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = run("sync", "--source", source, "--target", tmp_path / "file" / "nfs", *SKIP, status=1)
    assert said.startswith("kernelpod: ")
    assert "Not a directory" in said
