"""What the demo says of its checks: which failed, which could not be made because of that, and what a log said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.demo import check, places, stack
from kernelpod.demo.check import Report
from kernelpod.demo.logs import end_of_log
from kernelpod.demo.order import AFTERWARDS, SCENARIO, Check
from kernelpod.errors import KernelpodError

SECRET = "correct horse battery"
TOKEN = "0123456789abcdef" * 2


def scene(*, sandboxed: bool = True) -> Any:
    return SimpleNamespace(stack=SimpleNamespace(sandboxed=sandboxed))


def holds(_: Any) -> None:
    """It holds."""


def fails(_: Any) -> None:
    """Her server starts."""
    raise KernelpodError("it ended\nthe end of /logs/server-alice.log:\n  | no room")


def builds_on_it(_: Any) -> None:
    """A kernel starts."""
    raise AssertionError("must not be made")


def builds_on_that(_: Any) -> None:
    """The kernel computes."""
    raise AssertionError("must not be made")


def outcomes(report: Report) -> dict[str, str]:
    return {one.check: one.outcome for one in report.results}


def test_what_builds_on_a_check_that_failed_is_skipped_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(as_json=False)
    for one in (
        Check(fails),
        Check(builds_on_it, (fails,)),
        Check(builds_on_that, (holds, builds_on_it)),
        Check(holds),
    ):
        report.run(one, scene())
    assert outcomes(report) == {
        "Her server starts": "failed",
        "A kernel starts": "skipped",
        "The kernel computes": "skipped",
        "It holds": "ok",
    }
    assert {one.detail for one in report.results if one.outcome == "skipped"} == {
        'because "Her server starts" failed'
    }
    said = capsys.readouterr().out
    assert "Her server starts  (failed: it ended)\nthe end of /logs/server-alice.log:\n  | no room\n" in said
    assert 'A kernel starts  (skipped because "Her server starts" failed)' in said


def test_without_a_sandbox_nobody_says_that_it_keeps_users_apart() -> None:
    report = Report(as_json=False)
    report.run(Check(builds_on_it, of_sandbox=True), scene(sandboxed=False))
    report.run(Check(holds, of_sandbox=True), scene())
    assert [one.outcome for one in report.results] == ["skipped", "ok"]
    assert "there is no sandbox" in report.results[0].detail


def test_every_check_builds_on_earlier_ones_only() -> None:
    seen: set[Any] = set()
    for one in (*SCENARIO, *AFTERWARDS):
        assert set(one.needs) <= seen, one.name
        seen.add(one.run)


def test_a_demo_that_does_not_start_is_one_failure_and_json_has_all_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(check.tempfile, "tempdir", str(tmp_path))
    assert check.run_check(tmp_path, lambda _: None, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in found] == ["failed"] + ["skipped"] * (len(SCENARIO) + len(AFTERWARDS))
    assert "make env" in found[0]["detail"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("ci", "status"), [("true", 1), ("", 0)])
def test_in_ci_what_is_skipped_has_failed(monkeypatch: pytest.MonkeyPatch, ci: str, status: int) -> None:
    monkeypatch.setenv("CI", ci)
    report = Report(as_json=False)
    report.run(Check(holds, of_sandbox=True), scene(sandboxed=False))
    assert check._close(report) == status


def test_the_end_of_a_log_shows_no_secret_and_moves_no_cursor(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        f"old\n{'line' * 3}\n" * 20 + f"\x1b[31mred\x1b[0m grüße {SECRET}\ntoken={TOKEN}\n", encoding="utf-8"
    )
    said = end_of_log(log, (SECRET, ""))
    assert said.startswith(f"the end of {log}:\n  | ")
    assert said.endswith("  | \\x1b[31mred\\x1b[0m grüße ***\n  | token=***")
    assert len(said.splitlines()) == 16


def test_a_log_that_is_empty_or_gone_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "empty.log").touch()
    assert end_of_log(tmp_path / "empty.log").endswith("  | (it is empty)")
    assert "No such file" in end_of_log(tmp_path / "gone.log")


def test_kernels_sockets_fit_below_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A socket's path has 107 bytes; a folder for temporary files may lie deeper."""
    deep = tmp_path / "ä b" / ("d" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr(places.tempfile, "tempdir", str(deep))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    with places.temporary(places.parent_of_state()) as state:
        socket = state / "k" / f"{'0' * 32}-{'0' * 6}" / "c" / "s-5"
        assert len(str(socket).encode()) <= 107
    assert not state.exists()


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        places.only_one_in(tmp_path),
        pytest.raises(KernelpodError, match=r"Another demo keeps its homes in .* --folder"),
        places.only_one_in(tmp_path),
    ):
        pass
    with places.only_one_in(tmp_path):
        pass


def test_the_settings_of_a_running_demo_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert places.settings_of_running_demo() is None
    places.make_folders(places.kept_folder())
    with places.only_one_in(places.kept_folder()):
        assert places.settings_of_running_demo() == tmp_path / "kernelpod" / "demo" / "settings.yaml"
    assert places.settings_of_running_demo() is None


def test_a_folder_is_used_again(tmp_path: Path) -> None:
    made = stack.Stack(
        *(tmp_path, tmp_path / "state", tmp_path / "logs", tmp_path / "checkout"),
        no_sandbox="none",
        ports=dict.fromkeys(stack.WISHED_PORTS, 1),
        password="x",
        admin_password="w",
        service_token="y",
        admin_token="z",
    )
    for _ in range(2):
        made.state.mkdir(exist_ok=True)
        stack._prepare(made)
    assert (tmp_path / "kernelspecs" / "python-pod" / "kernel.json").exists()


def test_a_folder_that_cannot_be_made_is_named_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(KernelpodError, match=r"file/homes cannot be made \(Not a directory\).*--folder"):
        places.make_folders(tmp_path / "file" / "homes")


def test_a_full_disk_is_said_before_anything_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    with pytest.raises(KernelpodError, match="less than 32 MiB left"):
        places.make_folders(tmp_path / "homes")


def test_nobody_knows_a_home_where_there_is_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_account() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(places.Path, "home", no_account)
    with pytest.raises(KernelpodError, match="--folder"):
        places.kept_folder()
