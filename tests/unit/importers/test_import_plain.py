"""Hubs without Helm: a jupyterhub_config.py that is read and never executed, and TLJH's config.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import run, unsaid

from kernelpod.importers.hub.values import Options
from kernelpod.importers.plain.hubs import imported_python, imported_tljh
from kernelpod.importers.report import Imported, ImportingError
from kernelpod.settings.sections import Settings


def of_python(folder: Path, text: str, **options: Any) -> tuple[Imported, dict[str, Any], dict[str, Any]]:
    (folder / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    return parts(imported_python(folder / "jupyterhub_config.py", Options(**options)))


def of_tljh(folder: Path, text: str) -> tuple[Imported, dict[str, Any], dict[str, Any]]:
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return parts(imported_tljh(folder / "config.yaml", Options()))


def parts(made: Imported) -> tuple[Imported, dict[str, Any], dict[str, Any]]:
    """Return the import, the traits and the settings."""
    settings = yaml.safe_load(made.files.get("settings.yaml", b"{}"))
    Settings.model_validate(settings)
    assert unsaid(made) == []
    return made, yaml.safe_load(made.files["config.yaml"]), settings


PLAIN = [
    ("c.A.b = 1", {"A": {"b": 1}}),
    ("c.A.b = {'x', 'x'}", {"A": {"b": ["x", "x"]}}),
    ("x = 'y'\nc.A.b = f'{x}:1'", {"A": {"b": "y:1"}}),
    ("c.A.b = 2 * 1024 ** 3 + -1", {"A": {"b": 2 * 1024**3 - 1}}),
    ("c.A.b = [1]\nc.A.b.append(2)\nc.A.b += [3]\nc.A.b.extend([4])", {"A": {"b": [1, 2, 3, 4]}}),
    ("c.A.b = {}\nc.A.b['k'] = 'v'\nc.A.b.update({'l': 1})", {"A": {"b": {"k": "v", "l": 1}}}),
    ("x = []\nc.A.b = x\nc.A.b.append(1)\nc.A.d = x", {"A": {"b": [1], "d": [1]}}),
    ("c.A.b = 1\nc.A.b = 2", {"A": {"b": 2}}),
    ("x = [1]\nc.A.b = list(x)\nc.A.b.append(2)\nc.A.d = x", {"A": {"b": [1, 2], "d": [1]}}),
    ("def f(x):\n    y = x\n    return y\n", {}),
    ("def f():\n    return x\nx = 'y'\nc.A.b = x", {"A": {"b": "y"}}),
    ("'''text'''\nimport os\nc = get_config()\nc.A.b = None", {"A": {"b": None}}),
]


@pytest.mark.parametrize(("text", "traits"), PLAIN)
def test_plain_assignments_are_evaluated(tmp_path: Path, text: str, traits: dict[str, Any]) -> None:
    made, found, _ = of_python(tmp_path, text)
    assert found == traits
    assert ("left.py" in made.files) == ("def " in text)


KEPT = [
    "import os\nc.A.b = os.environ['X']",
    "c.A.b = [1]\nif x:\n    c.A.b.append(2)",
    "x = [1]\nc.A.b = x\nx.append(2)",
    "x = [1]\ndef f():\n    x.append(2)\nf()\nc.A.b = x",
    "c.A.b = [1]\nfor n in [1, 2]:\n    c.A.b = n",
    "c.A.b = 1\nc.A.update({'b': 2})",
    "c.A.b = 1\nc.A.b = lambda spawner: None",
    "c.A.b.append(1)",
    "c.A.b = 9 ** 9 ** 9",
    "c.A.b = [0] * 10 ** 9",
    "exec('c.A.b = 1')",
    "b = [1]\nimport b\nc.A.b = b",
    "b = 1\nfrom x import *\nc.A.b = b",
    "b = 1\nexec(open('x').read())\nc.A.b = b",
    "b = 1\ntry:\n    from x import b\nexcept ImportError:\n    pass\nc.A.b = b",
    "b = 1\ndel b\nc.A.b = b",
    "def f():\n    x.append(2)\nx = [1]\nf()\nc.A.b = x",
    "def f():\n    global x\n    x = 2\nx = 1\nf()\nc.A.b = x",
    "def f():\n    c.A.b = 2\nc.A.b = 1\nf()",
    "f = lambda: x.update(y=1)\nx = {}\nf()\nc.A.b = x",
    "x = {'y': 1}\nc.A.b = x\ndef f():\n    global x\nx.clear()",
    "x = {'y': 1}\nc.A.b = x\ntry:\n    import z as x\nexcept ImportError:\n    pass\nx.clear()",
    "x = [1]\nc.A.b = x\nfrom z import *\nx.clear()",
    "def f():\n    c.A.update(b=5)\nc.A.b = 1\nf()",
    "x = [1]\nc.A.b = x\nx = x or f()\nx += x",
    "x = (1,)\nc.A.b = x\nc.A.b += (2,)\nc.A.b = x",
    "@wraps\ndef f():\n    pass\nc.A.b = f",
    "import missing_module_of_nobody\nc.A.b = missing_module_of_nobody.x",
    "c.A.b = __import__('os').system('touch executed')",
]


@pytest.mark.parametrize("text", KEPT)
def test_what_is_not_plain_is_kept_as_code_and_never_executed(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made, found, _ = of_python(tmp_path, text)
    assert "b" not in found.get("A", {})
    left = made.files["left.py"].decode()
    assert all(line in left for line in text.splitlines())
    assert "left" in {note.change for note in made.fates()}
    assert not (tmp_path / "executed").exists()
    assert made.private == {"left.py"}


def test_values_that_double_themselves_stay_small(tmp_path: Path) -> None:
    text = "x = [1]\n" + "x = [x, x]\n" * 60 + "c.A.b = x\n"
    made, found, _ = of_python(tmp_path, text)
    assert found == {}
    assert len(made.files["left.py"]) < 10_000


def test_a_long_file_with_all_of_python_is_read(tmp_path: Path) -> None:
    block = (
        "def f_{n}(x):\n    return [y for y in x]\nclass K_{n}:\n    pass\nc.S_{n}.t = {n}\nc.L.m = f_{n}([1])\n"
    )
    _, found, _ = of_python(tmp_path, "".join(block.format(n=n) for n in range(900)))
    assert len(found) == 900


def test_a_file_of_many_traits_is_read_in_time_that_grows_as_the_file(tmp_path: Path) -> None:
    lines = [f"n_{n} = {n}\nc.S_{n}.t = n_{n}\nprint(n_{n})\n" for n in range(4000)]
    _, found, _ = of_python(tmp_path, "".join(lines))
    assert len(found) == 4000


@pytest.mark.parametrize("raw", [b"c.A.b = (", b"\xff", b"c.A.b = '\0'", b"(" * 50_000, b"x" * (3 << 20)])
def test_what_is_no_python_is_a_sentence(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "jupyterhub_config.py").write_bytes(raw)
    with pytest.raises(ImportingError, match=r"jupyterhub_config\.py"):
        imported_python(tmp_path / "jupyterhub_config.py", Options())


KUBE = """
c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.pvc_name_template = "claim-{username}"
c.KubeSpawner.storage_capacity = "5Gi"
c.KubeSpawner.volumes = [
    {"name": "v", "persistentVolumeClaim": {"claimName": "claim-{username}"}},
    {"name": "d", "nfs": {"server": "nfs.example", "path": "/data", "readOnly": True}},
]
c.KubeSpawner.volume_mounts = [{"name": "v", "mountPath": "/home/jovyan"}, {"name": "d", "mountPath": "/data"}]
c.KubeSpawner.environment = {"A": "b", "KERNEL_PATH": "/x"}
c.KubeSpawner.uid = 1001
c.KubeSpawner.mem_limit = "2G"
c.Authenticator.whitelist = {"ada"}
c.GenericOAuthenticator.client_secret = "hunter2"
"""


def test_a_hub_with_kubespawner_becomes_traits_and_settings(tmp_path: Path) -> None:
    made, traits, settings = of_python(tmp_path, KUBE, nfs="nfs.example:/export")
    assert traits["KubeSpawner"] == {"mem_limit": "2G", "environment": {"A": "b"}}
    assert traits["Authenticator"] == {"allowed_users": ["ada"]}
    assert settings["homes"]["volume"] == {"kind": "dynamic", "claim": "claim-{username}", "server": "nfs.example"}
    assert settings["homes"]["claims"] == {"size": "5Gi"}
    assert [(mount["mount_path"], mount["read_only"]) for mount in settings["mounts"]] == [("/data", True)]
    assert settings["policy"] == {"uid": 1001}
    assert made.questions == []
    assert [name for name, raw in made.files.items() if b"hunter2" in raw] == ["secrets.yaml"]
    assert made.private == {"secrets.yaml"}


def test_another_spawner_is_left_to_the_admin(tmp_path: Path) -> None:
    made, traits, _ = of_python(tmp_path, "c.JupyterHub.spawner_class = 'dockerspawner.DockerSpawner'")
    assert traits == {}
    assert {question.code for question in made.questions} == {"homes-move"}
    assert [note.change for note in made.fates()] == ["left"]


DOCKER = """
c.JupyterHub.spawner_class = "dockerspawner.SwarmSpawner"
c.SwarmSpawner.notebook_dir = "/home/jovyan/work"
c.SwarmSpawner.volumes = {
    "/export/homes/{username}": "/home/jovyan/work",
    "/export/data": {"bind": "/data", "mode": "ro"},
    "/export/of/{username}/tmp": "/scratch",
    "shared-volume": "/shared",
}
c.SwarmSpawner.read_only_volumes = {"/export/exams": "/exams"}
c.SwarmSpawner.image = "lab:1"
c.SwarmSpawner.network_name = "jupyter"
c.SwarmSpawner.mem_limit = "2G"
"""


def test_folders_that_docker_mounts_are_homes_and_mounts(tmp_path: Path) -> None:
    made, traits, settings = of_python(tmp_path, DOCKER)
    assert traits == {"Spawner": {"mem_limit": "2G"}}
    homes = {"root": "/export/homes", "path_template": "{username}", "mount_path": "/home/jovyan/work"}
    assert settings["homes"] == {**homes, "slug": "escape"}
    mounts = [
        (one["root"], one.get("path_template"), one["mount_path"], one["read_only"]) for one in settings["mounts"]
    ]
    assert mounts == [
        ("/export/data", None, "/data", True),
        ("/export/of", "{username}/tmp", "/scratch", False),
        ("/export/exams", None, "/exams", True),
    ]
    fate = {note.key.rpartition(".")[2]: note.change for note in made.fates()}
    assert (fate["shared-volume"], fate["image"], fate["network_name"]) == ("left", "left", "dropped")
    assert made.questions == []


HOMES = [
    # What is mounted, notebook_dir, where homes are, other mounts, questions
    ("'/d/{username}': '/data', '/h/{username}': '/home/jovyan'", "", "/h {username}", ["/data"], set()),
    ("'/h/u-{username}': '/home/jovyan'", "", "", [], {"homes-move"}),
    ("'/h/u-{username}/n': '/n'", "/n/work", "", ["/n"], {"homes-move"}),
    (
        "'/h/{username}': '/home/jo', '/x/{username}': '/home/jovyan'",
        "/home/jovyan",
        "/x {username}",
        ["/home/jo"],
        set(),
    ),
    ("'/h/{username}': {'bind': '/home/jovyan', 'mode': 'ro'}", "", "/h {username}", [], {"writable"}),
    ("'/h/{username}': {'bind': '/home/jovyan', 'mode': 'z,ro'}", "", "/h {username}", [], {"writable"}),
    ("'/h/{username}': '/home/{username}'", "", "", [], {"homes-move"}),
    ("'/h/{username}/n': '/home/jovyan', '/h': '/all'", "", "/h {username}/n", [], set()),
    ("'jupyterhub-user-{username}': '/home/jovyan/work'", "", "", [], {"homes-move"}),
]


@pytest.mark.parametrize(("volumes", "notebooks", "homes", "places", "questions"), HOMES)
def test_homes_of_docker_neither_move_nor_become_writable_silently(
    tmp_path: Path, volumes: str, notebooks: str, homes: str, places: list[str], questions: set[str]
) -> None:
    text = f"c.JupyterHub.spawner_class = 'docker'\nc.DockerSpawner.volumes = {{{volumes}}}\n"
    made, _, settings = of_python(tmp_path, text + f"c.DockerSpawner.notebook_dir = '{notebooks}'\n")
    found = settings["homes"]
    assert f"{found.get('root', '')} {found.get('path_template', '')}".strip() == homes
    assert [one["mount_path"] for one in settings.get("mounts", ())] == places
    assert {question.code for question in made.questions} == questions


def test_the_trait_of_the_class_that_starts_servers_counts(tmp_path: Path) -> None:
    docker = "c.DockerSpawner.mem_limit = '2G'\nc.DockerSpawner.volumes = {'/h/{username}': '/home/jovyan'}\n"
    text = f"c.Spawner.mem_limit = '1G'\n{docker}c.JupyterHub.spawner_class = "
    _, traits, settings = of_python(tmp_path, f"{text}'docker'\n")
    assert (traits["Spawner"], settings["homes"]["root"]) == ({"mem_limit": "2G"}, "/h")
    _, traits, settings = of_python(tmp_path, f"{text}'kubespawner.KubeSpawner'\n")
    assert (traits["Spawner"], settings["homes"]) == ({"mem_limit": "1G"}, {"volume": {"kind": "none"}})


def test_how_docker_names_homes_is_asked(tmp_path: Path) -> None:
    made, _, _ = of_python(tmp_path, DOCKER.replace("homes/{username}", "homes/{raw_username}"))
    assert {question.code for question in made.questions} == {"homes-move"}


TLJH = """
users: {admin: [ada], allowed: [bob], banned: [eve], extra_user_groups: {g: [bob]}}
limits: {memory: 1G, cpu: 2}
https: {enabled: true, letsencrypt: {email: a@example.org, domains: [hub.example.org]}}
auth: {type: dummy, DummyAuthenticator: {password: hunter2}}
user_environment: {default_app: jupyterlab}
services: {cull: {enabled: true, timeout: 1200, every: 60}, configurator: {enabled: true}}
"""


def test_the_littlest_jupyterhub(tmp_path: Path) -> None:
    made, traits, settings = of_tljh(tmp_path, TLJH)
    assert traits["Authenticator"] == {"admin_users": ["ada"], "allowed_users": ["bob"], "blocked_users": ["eve"]}
    assert traits["KubeSpawner"] == {"default_url": "/lab"}
    assert traits["Spawner"] == {"mem_limit": "1G", "cpu_limit": 2}
    assert settings == {"homes": {"root": "/home"}, "culling": {"idle_seconds": 1200}}
    assert {question.code for question in made.questions} == {"homes-move"}
    fate = {note.key: note.change for note in made.fates()}
    assert fate["https.enabled"] == fate["users.extra_user_groups.g.0"] == "left"
    assert fate["services.configurator.enabled"] == "dropped"


def test_tljh_culls_after_ten_minutes_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    _, _, settings = of_tljh(tmp_path, "users: {admin: [ada]}\n")
    assert settings["culling"] == {"idle_seconds": 600}


@pytest.mark.parametrize(("name", "text"), [("jupyterhub_config.py", KUBE), ("config.yaml", TLJH)])
def test_the_command_knows_the_layout(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    run(tmp_path / name, "--to", tmp_path / "new", "--accept", "homes-move")
    files = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert files == ["config.yaml", "import-report.json", "secrets.yaml", "settings.yaml"]


@pytest.mark.parametrize(("auth", "warned"), [("", True), ("auth: {type: dummy}\n", False)])
def test_the_authenticator_that_tljh_has_by_itself_is_told(tmp_path: Path, auth: str, warned: bool) -> None:
    made, _, _ = of_tljh(tmp_path, f"users: {{admin: [ada]}}\n{auth}")
    assert any("first login" in note.why for note in made.notes) == warned
