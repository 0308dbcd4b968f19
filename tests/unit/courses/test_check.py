"""Courses files: every planted finding is found at its line, overlays, and what the commands print."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from course_files import BAD, EXAMPLES, ROOT, write

from kernelpod.cli.main import main
from kernelpod.courses.check import check_courses, shared_origins
from kernelpod.courses.load import load_courses
from kernelpod.findings.finding import FindingsError
from kernelpod.settings.sections import Settings

PLANTED: dict[str, list[tuple[int, int, str]]] = {
    "absolute-path": [(6, 14, "write a path below storage.root")],
    "allow-wrong-folder": [(1, 1, "there is no folder")],
    "anchor-bomb": [(1, 17, "more than 200000 values")],
    "anchor-cycle": [(6, 18, "or 20 levels")],
    "course-id-literal": [(6, 14, "'course_id' would be taken literally; write {course}")],
    "closing-time": [(7, 7, "write a time with its zone")],
    "exam-no-kernelspecs": [(4, 3, "an exam must name the kernelspecs")],
    "exam-no-network": [(4, 3, "an exam must name the network")],
    "exam-open-exchange": [(9, 7, "students must not see others' submissions")],
    "exam-shared-home": [(2, 1, "the home of an exam needs {semester} and {course}")],
    "exam-two-courses": [(3, 1, "an exam has exactly one course, but there are 2")],
    "exam-two-semesters": [(8, 5, "an exam has exactly one semester")],
    "extends-itself": [(1, 1, "extends this file in turn")],
    "extends-nothing": [(6, 1, "there is no file")],
    "guarantee-over-limit": [(6, 5, "cpu: guarantee must be at most limit")],
    "shm-over-memory": [(6, 5, "shm: it counts as memory, so it must be at most limit.memory")],
    "home-for-all": [(1, 1, "a home needs {username}")],
    "home-of-a-user": [(1, 1, "a user with that name would have these homes in their own home")],
    "home-placeholder": [(1, 1, "unknown placeholder {user}")],
    "id-dots": [(3, 3, "at most 40 letters")],
    "id-long": [(3, 3, "at most 40 letters")],
    "id-slash": [(3, 3, "courses.a/b: write at most 40 letters")],
    "id-space": [(3, 3, "at most 40 letters")],
    "id-umlaut": [(3, 3, "at most 40 letters")],
    "image-latest": [(4, 5, "a tag other than latest")],
    "latin-1": [(6, 1, "is not UTF-8")],
    "list-binary": [(1, 1, "it is not text")],
    "list-empty": [(1, 1, "the file is empty")],
    "list-header": [(1, 1, "there is no column 'Username' in this line")],
    "list-missing": [(5, 5, "the folder holds")],
    "list-of-numbers": [(5, 16, "courses.ml.students.0: Input should be a valid string; put it in quotes")],
    "list-open-quote": [(3, 1, "a quotation mark is not closed")],
    "mode": [(1, 1, "did you mean exam?")],
    "mount-above-home": [(7, 26, "/home is over or in the home")],
    "mount-in-mount": [(8, 26, "/course/data is over or in another mount at /course")],
    "mount-on-system": [(7, 26, "is a folder of the system")],
    "mount-over-home": [(7, 26, "/home/jovyan is over or in the home")],
    "mount-shows-exchange": [(8, 13, "would expose what courses.ml.exchange.path keeps private")],
    "mount-shows-homes": [(8, 13, "the folder of all homes")],
    "no-course": [(1, 1, "the hub has no course")],
    "no-image": [(2, 3, "there is no image")],
    "none-in-capitals": [(6, 62, "did you mean none?")],
    "not-a-mapping": [(1, 1, "must be a mapping")],
    "not-yaml": [(3, 1, "this is not YAML")],
    "path-dots": [(6, 14, "without '..'")],
    "relative-mount": [(6, 32, "write an absolute path")],
    "same-mount-path": [(6, 32, "another mount at /course"), (8, 26, "another mount at /course")],
    "semester-number": [(1, 1, "put it in quotes")],
    "twice": [(6, 5, "the key occurs twice")],
    "two-courses-one-exchange": [(2, 14, "defaults.exchange.path: exchange/ws26 is, or is in,")],
    "two-courses-one-folder": [(10, 14, "courses/all of courses.ml.folder.path")],
    "uid-and-one-home": [(7, 16, "a home could have two owners")],
    "volume-shows-homes": [
        (7, 13, "the folder of all homes (/home/nfs_share/claim), or a part of it"),
    ],
    "volume-not-allowed": [(7, 33, "courses may not mount secret/hub")],
    "volume-without-a-name": [(7, 43, "needs object, the Secret's name")],
    "volume-written-secret": [(7, 7, "a volume of kind secret cannot be written")],
    "unknown-course": [(1, 11, "there is no course 'lm'"), (3, 1, "the hub has no course")],
    "unknown-hub": [(1, 1, "the settings have no hub 'other'")],
    "unknown-key": [(6, 5, "courses.ml.imgae: unknown key; did you mean image?")],
    "unknown-key-in-defaults": [(2, 3, "defaults.imgae: unknown key; did you mean image?")],
}


OF_TESTS = Settings.model_validate(
    {
        "hubs": [
            {
                "courses_folders": [str(BAD.parent)],
                "courses_nfs": [{"server": "10.0.0.5", "root": "/home/nfs_share"}],
            }
        ]
    }
)


@pytest.mark.parametrize("name", sorted(path.stem for path in BAD.iterdir()))
def test_the_planted_faults_are_found_at_their_places_and_no_others(name: str) -> None:
    found = check_courses(BAD / f"{name}.yaml", OF_TESTS)
    assert [(finding.place.line, finding.place.column) for finding in found] == [
        place[:2] for place in PLANTED[name]
    ]
    for finding, (_, _, words) in zip(found, PLANTED[name], strict=True):
        assert words in finding.text
        assert finding.level == "error"


@pytest.mark.parametrize("name", ["unknown-key", "list-header"])
def test_the_command_fails_with_file_and_line(name: str) -> None:
    done = CliRunner().invoke(main, ["courses", "check", str(BAD / f"{name}.yaml")])
    assert done.exit_code == 1
    assert re.search(r"\.(yaml|csv):\d+:\d+: error: ", done.output)


@pytest.mark.parametrize("name", ["example", "exam", "grading"])
def test_the_examples_are_good(name: str) -> None:
    words = [
        "courses",
        "check",
        str(EXAMPLES / f"courses.{name}.yaml"),
        "--kernelspecs",
        str(ROOT / "kernelspecs"),
    ]
    done = CliRunner().invoke(main, words)
    *said, counted = done.output.splitlines()
    assert (done.exit_code, counted.endswith(": 0 errors, 1 warnings")) == (0, True), done.output
    assert "warning shared_origin: " in said[0]


def test_three_hubs_are_short_files_over_one_base() -> None:
    hubs = {name: load_courses(EXAMPLES / f"courses.{name}.yaml").hub for name in ("example", "exam", "grading")}
    assert [hub.mode for hub in hubs.values()] == ["teaching", "exam", "teaching"]
    assert [list(hub.offered_courses()) for hub in hubs.values()] == [["ml", "stats"], ["ml"], ["ml", "stats"]]
    exam, teaching = hubs["exam"].courses["ml"], hubs["example"].courses["ml"]
    assert (exam.folder, exam.mounts, exam.network) == (None, {}, "none")
    assert teaching.folder is not None
    assert (exam.title, exam.image) == (teaching.title, teaching.image)


def test_an_overlay_merges_mappings_replaces_lists_and_null_takes_away(tmp_path: Path) -> None:
    course = {"image": "lab:1", "kernelspecs": ["a", "b"], "node_selector": {"x": "1", "y": "2"}}
    write(tmp_path, "base", {"semester": "ws25", "home": "{username}", "courses": {"ml": course}})
    over = {"kernelspecs": ["c"], "node_selector": {"y": None, "z": "3"}}
    path = write(tmp_path, "over", {"extends": "base.yaml", "home": None, "courses": {"ml": over}})
    hub = load_courses(path).hub
    assert (hub.semester, hub.home) == ("ws25", None)
    ml = hub.courses["ml"]
    assert (ml.image, ml.kernelspecs, ml.node_selector) == ("lab:1", ("c",), {"x": "1", "z": "3"})


def test_defaults_may_be_parts_that_courses_complete(tmp_path: Path) -> None:
    data = {
        "defaults": {"image": "lab:1", "folder": {"mount_path": "/course", "access": {"student": "none"}}},
        "courses": {"ml": {"folder": {"path": "a"}}, "stats": {"folder": {"path": "b"}, "image": "lab:2"}},
    }
    hub = load_courses(write(tmp_path, "one", data)).hub
    assert [course.image for course in hub.courses.values()] == ["lab:1", "lab:2"]
    assert [course.folder and course.folder.access.student for course in hub.courses.values()] == ["none", "none"]


def test_a_fault_of_a_base_is_told_at_its_line_of_the_base(tmp_path: Path) -> None:
    write(tmp_path, "base", {"semester": "ws26", "mode": "party"})
    path = write(tmp_path, "over", {"extends": "base.yaml", "semester": "ws27"})
    with pytest.raises(FindingsError) as caught:
        load_courses(path)
    assert [(finding.file.name, finding.place.line) for finding in caught.value.findings] == [("base.yaml", 2)]
    assert "base.yaml:2:1: error: mode:" in caught.value.message


def test_lists_are_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "ml.csv").write_text("Username\nalice\n", encoding="utf-8")
    write(below, "base", {"courses": {"ml": {"image": "lab:1", "students": "{course}.csv"}}})
    path = write(tmp_path, "over", {"extends": "below/base.yaml"})
    assert check_courses(path, Settings()) == []


def test_an_anchor_bomb_costs_nothing() -> None:
    begun = time.perf_counter()
    check_courses(BAD / "anchor-bomb.yaml", Settings())
    assert time.perf_counter() - begun < 20


@pytest.mark.parametrize("text", ["a: " + "[" * 500_000, "a: " + "[" * 50_000 + "]" * 50_000, "{a: " * 50_000])
def test_deep_nesting_does_not_end_the_process(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(text, encoding="utf-8")
    assert "levels deep" in check_courses(path, Settings())[0].text


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [id]\n",
        "? [a, b]\n: c\n",
        "2026: x\n",
        "courses:\n  2026: {image: 'a:1'}\n  true: 5\n",
        "hub: hub\n---\nhub: hub\n",
        "courses:\n  ml:\n",
        "courses: [ml]\ndefaults: 5\n",
        "courses: {ml: 5}\ndefaults: {}\n",
        "extends: [a, b]\n",
        "allow: {file: a.csv}\n",
        "semester: 2026-10-01\n",
        "hub: a\0b\n",
        "\ufeff",
    ],
)
def test_whatever_a_file_holds_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(text, encoding="utf-8")
    found = check_courses(path, Settings())
    assert found
    assert {finding.file for finding in found} == {path}


PATHS = [
    "",
    ".",
    "..",
    "a/..",
    "a/./b",
    "a//b",
    "a/",
    "/a",
    "a\nb",
    "{course",
    "{course!r}",
    "{0}",
    "{}",
    "course_name/x",
]
PLACES = [
    "",
    "/",
    "//etc",
    "//home/jovyan",
    "/a/",
    "/a/..",
    "/./a",
    "a",
    "/a:b",
    "/a\tb",
    "/{user}",
    "/{course.title}",
]


@pytest.mark.parametrize(
    ("key", "value"), [*(("path", one) for one in PATHS), *(("mount_path", one) for one in PLACES)]
)
def test_paths_are_plain(tmp_path: Path, key: str, value: str) -> None:
    folder = {"path": "a", "mount_path": "/a", key: value}
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "a:1", "students": ["a"], "folder": folder}}})
    assert [f"courses.ml.folder.{key}: " in finding.text for finding in check_courses(path, Settings())] == [True]


def test_a_root_is_plain_as_well(tmp_path: Path) -> None:
    data = {"storage": {"root": "//home"}, "courses": {"ml": {"image": "a:1", "students": ["a"]}}}
    assert [
        "storage.root: write an" in finding.text
        for finding in check_courses(write(tmp_path, "one", data), Settings())
    ] == [True]


@pytest.mark.parametrize(
    ("image", "good"),
    [
        ("lab:1", True),
        ("registry.example:5000/a/lab:1.0-x", True),
        ("lab@sha256:" + "0" * 64, True),
        ("lab:1@sha256:" + "0" * 64, True),
        ("lab", False),
        ("registry.example:5000/lab", False),
        ("lab:latest", False),
        ("lab:", False),
        ("lab:1 x", False),
        ("lab:1\n", False),
        ("läb:1", False),
        ("a" * 300 + ":1", False),
    ],
)
def test_images_have_a_fixed_version(tmp_path: Path, image: str, good: bool) -> None:
    path = write(tmp_path, "one", {"courses": {"ml": {"image": image, "students": ["a"]}}})
    assert (check_courses(path, Settings()) == []) is good


def test_a_huge_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (3 * 1024 * 1024))
    assert "larger than" in check_courses(path, Settings())[0].text
    assert "cannot be read" in check_courses(tmp_path, Settings())[0].text


@pytest.mark.parametrize("name", ["x" * 300, "x" * 2000, "a\0b", "ml.csv/x", "/proc/self/mem", "/", "*"])
def test_lists_and_bases_of_impossible_names_are_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "ml.csv").write_text("Username\n", encoding="utf-8")
    course = {"image": "lab:1", "students": name}
    path = write(tmp_path, "one", {"courses": {"ml": course}})
    assert [finding.level for finding in check_courses(path, Settings())] == ["error"]
    path = write(tmp_path, "one", {"extends": name, "courses": {"ml": {"image": "lab:1"}}})
    assert [finding.level for finding in check_courses(path, Settings())] == ["error"]


def test_a_list_in_the_folder_beside_is_found(tmp_path: Path) -> None:
    (tmp_path / "users" / "allowlist").mkdir(parents=True)
    data = {"allow": "config/allowlist", "courses": {"ml": {"image": "lab:1", "students": ["alice"]}}}
    said = check_courses(write(tmp_path, "one", data), Settings())[0].text
    assert said.endswith(f"there is no folder {tmp_path}/config, but {tmp_path}/users/allowlist")


def test_merge_keys_and_small_anchors_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    text = "courses:\n  a: &a {image: 'lab:1', students: [x]}\n  b: {<<: *a, title: B}\n"
    path.write_text(text, encoding="utf-8")
    assert load_courses(path).hub.courses["b"].image == "lab:1"


def test_kernelspecs_are_looked_up(tmp_path: Path) -> None:
    data = {"courses": {"ml": {"image": "lab:1", "students": ["alice"], "kernelspecs": ["python-pod", "r"]}}}
    path = write(tmp_path, "one", data)
    assert check_courses(path, Settings()) == []
    said = [finding.text for finding in check_courses(path, Settings(), {"python-pod"})]
    assert said == ["courses.ml.kernelspecs.1: there is no kernelspec 'r'; there are python-pod"]


def test_folders_are_looked_up_where_the_storage_is_mounted(tmp_path: Path) -> None:
    root = tmp_path / "storage"
    (root / "ml").mkdir(parents=True)
    folder = {"path": "{course}", "mount_path": "/course"}
    courses = {name: {"image": "lab:1", "students": ["alice"], "folder": folder} for name in ("ml", "stats")}
    path = write(tmp_path, "one", {"storage": {"root": str(root)}, "courses": courses})
    found = check_courses(path, Settings())
    assert [(finding.level, finding.text) for finding in found] == [
        ("warning", f"courses.stats.folder.path: there is no folder {root}/stats")
    ]


def test_a_user_called_like_a_mode_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "lab:1", "students": ["exam", "alice"]}}})
    found = check_courses(path, Settings())
    assert [(finding.level, "'exam' is left out: a mode has this name" in finding.text) for finding in found] == [
        ("warning", True)
    ]


def test_a_mount_over_one_of_the_settings_is_refused(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"mounts": [{"name": "data", "root": "/d", "mount_path": "/data", "groups": ["staff"]}]}
    )
    mounts = {"inner": {"path": "x", "mount_path": "/data/x"}}
    path = write(tmp_path, "one", {"courses": {"ml": {"image": "a:1", "students": ["a"], "mounts": mounts}}})
    assert check_courses(path, Settings()) == []
    assert "another mount at /data" in check_courses(path, settings)[0].text


@pytest.mark.parametrize(
    ("hub", "students", "codes"),
    [
        ({"name": "one"}, ["alice", "bob"], ["shared_origin"]),
        ({"name": "one"}, ["alice"], []),
        ({"name": "one", "subdomain_host": "https://hub.example.org"}, ["alice", "bob"], []),
        ({"name": "other"}, ["alice", "bob"], []),
    ],
    ids=["shared", "one user", "subdomains", "not in the settings"],
)
def test_a_shared_origin_of_several_users_is_a_warning(
    tmp_path: Path, hub: dict[str, str], students: list[str], codes: list[str]
) -> None:
    courses = {"ml": {"image": "lab:1", "students": students}}
    path = write(tmp_path, "one", {"hub": "one", "mode": "teaching", "semester": "ws26", "courses": courses})
    found = shared_origins(path, Settings.model_validate({"hubs": [hub]}))
    assert [finding.code for finding in found] == codes, found
    assert all(finding.level == "warning" for finding in found)
