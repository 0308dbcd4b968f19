"""What a user has before and after an import, side by side; what was is read from the source by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from old_hubs import OPEN, hub_of, run, storage


def shown(said: str, what: str) -> list[str]:
    """Return what a row of the preview shows before and after."""
    line = next(line.strip() for line in said.splitlines() if line.strip().startswith(what))
    return re.split(r" {2,}", line)[1:]


def test_the_preview_shows_a_user_before_and_after(tmp_path: Path) -> None:
    static = "type: static, static: {pvcName: all, subPath: 'h/{username}'}"
    volumes = "extraVolumes: [{name: d, nfs: {server: s, path: /e, readOnly: true}}, {name: x, emptyDir: {}}]"
    mounts = (
        "extraVolumeMounts: [{name: d, mountPath: /data, subPath: 'of/{username}'}, {name: x, mountPath: /x}, "
        "{name: home, mountPath: /all}]"
    )
    text = storage(f"{static}, {volumes}, {mounts}").replace("singleuser: {", "singleuser: {memory: {limit: 2G}, ")
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    words = (tmp_path / "old.yaml", "--to", tmp_path / "new", "--dry-run", "--preview", "jo.doe")
    old = run(*words, "--chart", "3.3.7")
    assert shown(old, "/home/jovyan") == ["claim all/h/jo-2edoe"] * 2
    assert shown(old, "/data") == ["s:/e/of/jo-2edoe (read-only)"] * 2
    assert shown(old, "/all") == ["claim all", "-"]
    assert "dropped: singleuser.storage.extraVolumeMounts.2: " in old
    assert "all lets users write in or above" in old
    assert shown(old, "/x") == ["emptyDir", "-"]
    assert shown(old, "memory of a server") == ["1G to 2G"] * 2
    unknown = run(*words, status=3)
    assert shown(unknown, "/home/jovyan") == [
        "claim all/h/jo-2edoe or jo-doe---deb7f53b",
        "claim all/h/jo-doe---deb7f53b",
    ]


def previewed(folder: Path, text: str, *words: object, status: int = 0) -> str:
    """Return what the import of values prints, with a preview."""
    (folder / "old.yaml").write_text(text, encoding="utf-8")
    return run(
        folder / "old.yaml", "--to", folder / "new", "--dry-run", "--preview", "jo.doe", *words, status=status
    )


def test_traits_of_the_spawner_have_the_last_word(tmp_path: Path) -> None:
    spawner = (
        "KubeSpawner: {mem_limit: 4G, volumes: [{name: a, nfs: {server: s, path: /e}}], "
        "volume_mounts: [{name: a, mount_path: /home/jovyan, sub_path: '{username}'}]}, "
        "Spawner: {default_url: /lab, mem_limit: 9G, cpu_limit: 2}"
    )
    said = previewed(
        tmp_path, f"hub: {{config: {{Authenticator: {{allow_all: true}}, {spawner}}}}}\n", "--chart", "3"
    )
    assert shown(said, "/home/jovyan") == ["s:/e/jo-2edoe"] * 2
    assert shown(said, "memory of a server") == ["1G to 4G"] * 2
    assert shown(said, "CPU of a server") == ["- to 2"] * 2
    assert shown(said, "first page") == ["/lab"] * 2


def test_the_preview_reads_values_of_bitnamis_chart(tmp_path: Path) -> None:
    servers = "{persistence: {size: 5Gi}, resources: {limits: {memory: 2Gi}}, notebookDir: /opt/home}"
    said = previewed(tmp_path, f"hub: {{adminUser: ada}}\nsingleuser: {servers}\n")
    assert shown(said, "/opt/home") == [
        "claim claim-jo-2edoe or jo-doe---deb7f53b",
        "claim claim-jo-doe---deb7f53b",
    ]
    assert shown(said, "memory of a server")[0] == "- to 2Gi"
    assert shown(previewed(tmp_path, "singleuser: {persistence: {enabled: false}}\n"), "/home/jovyan")[0] == "-"


@pytest.mark.parametrize("below", ["{username:>200000000}", "{0}", "{username.x}", "{", "{username!r}"])
def test_an_odd_placeholder_is_shown_as_it_is(tmp_path: Path, below: str) -> None:
    text = storage(f"type: static, static: {{pvcName: all, subPath: 'a{below}'}}")
    said = previewed(tmp_path, text, "--chart", "4", status=3)
    assert shown(said, "/home/jovyan")[0] == f"claim all/a{below}"


def test_the_preview_shows_no_secret(tmp_path: Path) -> None:
    text = f"{OPEN}singleuser: {{storage: {{type: none}}, defaultUrl: '/x?token=s3cr3tn0w'}}\n"
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    said = run(tmp_path / "old.yaml", "--to", tmp_path / "new", "--preview", "ada", "--dry-run")
    assert said.count("(a secret is in it)") == 2
    assert "s3cr3tn0w" not in said


def python(folder: Path, text: str, *words: object, user: str = "jo.doe", status: int = 0) -> str:
    """Return what the import of a jupyterhub_config.py prints, with a preview."""
    (folder / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    given = (folder / "jupyterhub_config.py", "--to", folder / "new", "--dry-run", "--preview", user, *words)
    return run(*given, status=status)


KUBE = "c.JupyterHub.spawner_class = 'kubespawner.KubeSpawner'\n"
VOLUMES = (
    "c.KubeSpawner.volumes = [{'name': 'h', 'persistentVolumeClaim': {'claimName': 'of-{username}'}},"
    " {'name': 'd', 'nfs': {'server': 's', 'path': '/e'}}]\n"
    "c.KubeSpawner.volume_mounts = [{'name': 'h', 'mountPath': '/home/jovyan'},"
    " {'name': 'd', 'mountPath': '/data', 'readOnly': True}]\n"
)


def test_the_servers_of_kubespawner(tmp_path: Path) -> None:
    traits = "c.Spawner.mem_limit = '1G'\nc.KubeSpawner.mem_limit = '3G'\nc.Spawner.default_url = '/tree'\n"
    said = python(tmp_path, KUBE + VOLUMES + traits, "--chart", "3.3.7")
    assert shown(said, "/home/jovyan")[0] == "claim of-jo-2edoe"
    assert shown(said, "/data") == ["s:/e (read-only)"] * 2
    assert shown(said, "memory of a server") == ["- to 3G"] * 2
    assert shown(said, "first page") == ["/tree"] * 2
    assert "what code sets" not in said


def test_what_code_sets_is_not_known(tmp_path: Path) -> None:
    said = python(tmp_path, KUBE + VOLUMES + "import os\nc.KubeSpawner.mem_limit = os.environ['M']\n")
    assert shown(said, "what code sets") == ["(not known: left.py)", "-"]
    assert shown(said, "/home/jovyan")[0] == "claim of-jo-2edoe or jo-doe---deb7f53b"


@pytest.mark.parametrize(
    ("kind", "more", "folder"),
    [
        ("dockerspawner.DockerSpawner", "", "jo-2edoe or jo_2edoe"),
        ("docker", "", "jo-2edoe or jo_2edoe"),
        ("dockerspawner.SwarmSpawner", "", "jo-2edoe or jo_2edoe"),
        ("docker", "c.DockerSpawner.escape = 'legacy'\n", "jo_2edoe"),
    ],
)
def test_the_folders_of_dockerspawner(tmp_path: Path, kind: str, more: str, folder: str) -> None:
    text = (
        f"c.JupyterHub.spawner_class = '{kind}'\n{more}c.DockerSpawner.mem_limit = '2G'\n"
        "c.DockerSpawner.volumes = {'/srv/{username}': '/home/jovyan', 'own-{raw_username}': '/own'}\n"
        "c.DockerSpawner.read_only_volumes = {'/srv/data': '/data'}\n"
    )
    said = python(tmp_path, text, status=3 if more else 0)
    assert shown(said, "/home/jovyan") == [
        f"/srv/{folder}",
        "/srv/jo-2edoe; on a cluster claim homes/jo-2edoe",
    ]
    assert shown(said, "/own") == ["volume own-jo.doe", "-"]
    assert shown(said, "/data")[0] == "/srv/data (read-only)"
    assert shown(said, "memory of a server") == ["- to 2G"] * 2
    assert ("rename such folders; --accept homes-move takes it" in said) == bool(more)
    assert ("warning: hub.config.DockerSpawner.volumes./srv/{username}: " in said) == (not more)


def test_the_home_of_a_user_of_the_machine(tmp_path: Path) -> None:
    text = (
        "c.JupyterHub.spawner_class = 'dockerspawner.SystemUserSpawner'\n"
        "c.SystemUserSpawner.host_homedir_format_string = '/export/{username}'\n"
    )
    said = python(tmp_path, text, user="ada", status=3)
    assert shown(said, "home")[0] == "/export/ada at /home/ada"


@pytest.mark.parametrize("spawner", ["", "c.JupyterHub.spawner_class = 'systemd'\n"])
def test_other_spawners_have_no_preview_and_the_error_says_what_to_do(tmp_path: Path, spawner: str) -> None:
    said = python(tmp_path, f"{spawner}c.Authenticator.allowed_users = {{'ada'}}\n", status=1)
    assert f"spawner is {'systemd' if spawner else 'not named'}: import without --preview, and compare " in said


@pytest.mark.parametrize(
    ("user", "home", "groups"),
    [
        ("ada", "/home/jupyter-ada", "jupyterhub-users, jupyterhub-admins, staff"),
        ("ad", "/home/jupyter-ad", "jupyterhub-users"),
        ("a" * 18, "/home/jupyter-aaaaaaaaaaaaaaaaaa-", "jupyterhub-users"),
    ],
)
def test_a_user_of_tljh(tmp_path: Path, user: str, home: str, groups: str) -> None:
    text = "users: {admin: [ada], extra_user_groups: {staff: [ada]}}\nlimits: {memory: 1G}\n"
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    words = (tmp_path / "config.yaml", "--to", tmp_path / "new", "--dry-run", "--preview", user)
    said = run(*words, status=3)
    assert shown(said, "home")[0].startswith(f"the folder of the machine at {home}")
    assert shown(said, "home")[1].endswith(f"on a cluster claim homes/{user} at /home/jovyan")
    assert shown(said, "groups")[0] == groups
    assert shown(said, "memory of a server") == ["- to 1G"] * 2


def test_a_user_of_courses(tmp_path: Path) -> None:
    lists = {
        "nbgrader/teaching/ml.csv": '"Username";"Name"\n"ada";"Ada"\nbob;Bob\n',
        "nbgrader/teaching/Data Bases.csv": "Username\nada\n",
        "users/blocklist/gone.csv": "Username\nbob\n",
    }
    config = hub_of(
        tmp_path / "old", {"course_list": ["ml", "Data Bases"], "resources": {"mem_limit": "2G"}}, lists
    )
    words = (config, "--to", tmp_path / "new", "--dry-run", "--preview")
    ada = run(*words, "ada")
    assert shown(ada, "hub ml") == ["in its list", "student"]
    assert shown(ada, "hub Data Bases") == ["in its list", "student of hub Data-Bases"]
    assert shown(ada, "/home/jovyan") == ["teaching/ada in the old homes", "claim homes/teaching/ada"]
    assert shown(ada, "memory of a server") == ["- to 2G", "512Mi to 2Gi"]
    assert shown(run(*words, "bob"), "hub ml") == ["blocked", "-"]
    said = run(*words, "eve", status=1)
    assert "'eve' is in no list of one: name another user" in said


def test_programs_get_the_preview_too(tmp_path: Path) -> None:
    about = json.loads(python(tmp_path, KUBE + VOLUMES, "--json", "--chart", "4", user="ada"))
    rows = {row["what"]: (row["before"], row["after"]) for row in about["preview"]}
    assert rows["/home/jovyan"][0] == "claim of-ada"
