"""What is no configuration, odd values, and lists that lead elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from old_hubs import (
    ROOT,
    hub_of,
    mounts,
    new_hub,
    unsaid,
    values_of,
)

from kernelpod.cli.main import main
from kernelpod.importers.courses.hubs import imported_courses
from kernelpod.importers.report import ImportingError
from kernelpod.settings.sections import Settings

HOSTILE: dict[str, bytes] = {
    "empty": b"",
    "a list": b"[1, 2]",
    "binary": bytes(range(256)),
    "not UTF-8": "server: {hub: {mode: t\xe4}}".encode("latin-1"),
    "deep": b"server: " + b"[" * 50_000,
    "half": b"server: {hub: [",
    "huge": b"# " + b"x" * (3 * 1024 * 1024),
    "a bomb": (ROOT / "tests" / "hub" / "bad" / "anchor-bomb.yaml").read_bytes(),
    "a cycle": b"server: &a {hub: *a}",
    "an object": b"server: !!python/object/apply:os.system [id]",
    "twice": b"server: {hub: {mode: exam}}\nserver: {}",
    "both": b"server: {}\nhub: {}",
    "neither": b"colour: blue",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("layout", [[], ["--from", "courses-config"], ["--from", "z2jh-values"]])
def test_what_is_no_configuration_is_a_sentence(tmp_path: Path, name: str, layout: list[str]) -> None:
    (tmp_path / "config.yaml").write_bytes(HOSTILE[name])
    done = CliRunner().invoke(
        main, ["import", str(tmp_path), "--to", str(tmp_path / "new"), *layout], catch_exceptions=False
    )
    if "z2jh-values" in layout and name == "both":
        return  # of these the section that the chart does not have is dropped
    assert done.exit_code == 1
    assert done.output.startswith("kernelpod: ")
    assert not (tmp_path / "new").exists()


ODD: list[Any] = [None, 3, "x", [], [[]], {}, {"a": None}, {1: {2: 3}}, [None, 1, {}], True, "\x07", 1.5]
COURSE_KEYS = (
    "semester_id",
    "course_list",
    "image",
    "resources",
    "nbgrader",
    "extra_mounts",
    "commands",
    "profile_list",
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", COURSE_KEYS)
def test_odd_values_of_a_hub_break_nothing(tmp_path: Path, key: str, odd: Any) -> None:
    made = imported_courses(hub_of(tmp_path, {key: odd}))
    assert new_hub(made)["mode"] == "teaching"
    assert unsaid(made) == []


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_below_break_nothing(tmp_path: Path, odd: Any) -> None:
    for hub in (
        {"image": {"name": odd, "tag": odd}},
        {"extra_mounts": {"enabled": odd, "volumes": odd, "volume_mounts": odd}},
        {"extra_mounts": {"volumes": {1: odd}, "volume_mounts": {1: odd}}},
        mounts(("/srv/a", "a"), name=odd, readOnly=odd),
        {"profile_list": {"profiles": odd}},
        {"profile_list": {"profiles": [{"display_name": "x", "kubespawner_override": odd}]}},
    ):
        imported_courses(hub_of(tmp_path, hub))


VALUE_KEYS = (
    *(
        "auth",
        "auth.type",
        "auth.state",
        "auth.custom",
        "auth.github",
        "auth.admin.users",
        "cull",
        "hub",
        "hub.config",
    ),
    *(
        "hub.extraConfig",
        "hub.imagePullSecret",
        "proxy",
        "https",
        "singleuser",
        "singleuser.cmd",
        "singleuser.uid",
    ),
    *("singleuser.extraEnv", "singleuser.storage", "singleuser.storage.type", "singleuser.storage.static"),
    *(
        "singleuser.storage.homeMountPath",
        "singleuser.storage.extraVolumes",
        "singleuser.storage.extraVolumeMounts",
    ),
    *("singleuser.networkPolicy", "singleuser.cloudMetadata", "singleuser.extraEnv.KERNEL_PATH", "custom"),
)


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("key", VALUE_KEYS)
def test_odd_values_of_a_chart_break_nothing(tmp_path: Path, key: str, odd: Any) -> None:
    data: Any = odd
    for word in reversed(key.split(".")):
        data = {word: data}
    made, _, settings = values_of(tmp_path, data)
    Settings.model_validate(settings)
    assert unsaid(made) == []


def test_a_list_that_is_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("Username\nroot\n", encoding="utf-8")
    config = hub_of(tmp_path / "old", {}, {"nbgrader/teaching/other.csv": "Username\n"})
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(ImportingError, match="leads out of the imported folder"):
        imported_courses(config)
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").unlink()
    (tmp_path / "old" / "nbgrader" / "teaching" / "ml.csv").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ImportingError, match="cannot be read"):
        imported_courses(config)


def test_a_course_does_not_lead_to_a_list_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("Username\nroot\n", encoding="utf-8")
    made = imported_courses(hub_of(tmp_path / "old", {"course_list": ["../../../out"]}))
    assert not any(name.startswith("lists/") for name in made.files)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"\x7fELF" + bytes(100), "not text"), (b"", "is empty"), (b"Username\n" + b"x" * 9_000_000, "larger than")],
)
def test_a_list_that_is_none_stops_the_import(tmp_path: Path, raw: bytes, said: str) -> None:
    config = hub_of(tmp_path, {})
    (tmp_path / "nbgrader" / "teaching" / "ml.csv").write_bytes(raw)
    with pytest.raises(ImportingError, match=said):
        imported_courses(config)


def test_a_list_that_is_a_pipe_does_not_hang(tmp_path: Path) -> None:
    config = hub_of(tmp_path, {}, {})
    (tmp_path / "nbgrader" / "teaching").mkdir(parents=True)
    os.mkfifo(tmp_path / "nbgrader" / "teaching" / "ml.csv")
    with pytest.raises(ImportingError, match="this is not a regular file"):
        imported_courses(config)
