"""What DockerSpawner gives to Docker by itself, and folders of the machine on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import asked, fates, run, unsaid

from kernelpod.importers.hub.values import Options
from kernelpod.importers.plain.hubs import imported_python
from kernelpod.importers.report import Imported
from kernelpod.settings.sections import Settings

HOME = "c.DockerSpawner.volumes = {'/srv/homes/{username}': '/home/jovyan'}\n"


def of(folder: Path, extra: Any, more: str = HOME, kind: str = "docker") -> Imported:
    """Return the import of a hub with an `extra_host_config`."""
    text = f"c.JupyterHub.spawner_class = '{kind}'\n{more}c.DockerSpawner.extra_host_config = {extra!r}\n"
    (folder / "jupyterhub_config.py").write_text(text, encoding="utf-8")
    made = imported_python(folder / "jupyterhub_config.py", Options())
    assert unsaid(made) == []
    return made


def spawner(made: Imported) -> dict[str, Any]:
    config = yaml.safe_load(made.files["config.yaml"])
    return dict(config.get("Spawner", {}))


def settings(made: Imported) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(made.files["settings.yaml"])
    Settings.model_validate(found)
    return found


MEMORY: list[tuple[Any, int | None, str]] = [
    (536870912, 536870912, "changed"),
    ("512m", 2**29, "changed"),
    ("512M", 2**29, "changed"),
    ("512mb", 2**29, "changed"),
    ("1.5g", 3 * 2**29, "changed"),
    ("1T", 2**40, "changed"),
    ("1024", 1024, "changed"),
    ("1024b", 1024, "changed"),
    ("64k", 65536, "changed"),
    (0, None, "dropped"),
    ("0", None, "dropped"),
    (-1, 2**31, "left"),
    ("1Gi", 2**31, "left"),
    ("plenty", 2**31, "left"),
    ("", 2**31, "left"),
    (True, 2**31, "left"),
    (1.5, 2**31, "left"),
    ([1], 2**31, "left"),
]


@pytest.mark.parametrize(("given", "limit", "fate"), MEMORY)
def test_a_limit_of_memory_is_exact_and_has_the_last_word(
    tmp_path: Path, given: Any, limit: int | None, fate: str
) -> None:
    made = of(tmp_path, {"mem_limit": given}, f"{HOME}c.DockerSpawner.mem_limit = {2**31}\n")
    assert spawner(made).get("mem_limit") == limit
    found = {change for key, change in fates(made).items() if ".extra_host_config.mem_limit" in key}
    assert found == {fate}


CPU: list[tuple[dict[str, Any], str, float | None]] = [
    ({"nano_cpus": 1_500_000_000}, "", 1.5),
    ({"cpu_quota": 150_000}, "", 1.5),
    ({"cpu_quota": 25_000, "cpu_period": 50_000}, "", 0.5),
    ({"cpu_period": 50_000}, "2", 4.0),
    ({"cpu_period": 50_000}, "", None),
    ({"nano_cpus": 500_000_000}, "2", 0.5),
    ({"nano_cpus": 0}, "2", None),
    ({"cpu_quota": -1}, "2", None),
    ({"cpu_quota": 0, "cpu_period": 100_000}, "2", None),
    ({"nano_cpus": 10**9, "cpu_quota": 100_000}, "2", 2),
    ({"cpu_quota": 100_000, "cpu_period": 5}, "2", 2),
    ({"cpu_quota": 10}, "2", 2),
    ({"nano_cpus": -5}, "2", 2),
    ({"nano_cpus": "1"}, "2", 2),
    ({"nano_cpus": 1.5}, "2", 2),
    ({"cpu_quota": True}, "2", 2),
    ({"cpu_quota": None}, "2", 2),
]


@pytest.mark.parametrize(("extra", "base", "limit"), CPU)
def test_a_limit_of_cpus_is_exact_or_left(
    tmp_path: Path, extra: dict[str, Any], base: str, limit: float | None
) -> None:
    made = of(tmp_path, extra, HOME + (f"c.DockerSpawner.cpu_limit = {base}\n" if base else ""))
    assert spawner(made).get("cpu_limit") == limit


RIGHTS: list[tuple[dict[str, Any], str, set[str]]] = [
    ({"privileged": True}, "dropped", set()),
    ({"privileged": False}, "dropped", set()),
    ({"cap_add": ["SYS_ADMIN"]}, "dropped", set()),
    ({"cap_drop": ["ALL"]}, "dropped", set()),
    ({"devices": ["/dev/fuse"]}, "dropped", set()),
    ({"pid_mode": "host"}, "dropped", set()),
    ({"security_opt": ["no-new-privileges"]}, "left", set()),
    ({"network_mode": "host"}, "dropped", set()),
    ({"network_mode": "bridge"}, "dropped", set()),
    ({"network_mode": "none"}, "dropped", {"network-open"}),
    ({"network_mode": "hub-net"}, "left", set()),
    ({"network_mode": "container:a"}, "left", set()),
    ({"network_mode": ["a"]}, "left", set()),
    ({"read_only": True}, "dropped", {"writable"}),
    ({"read_only": "yes"}, "dropped", {"writable"}),
    ({"read_only": False}, "dropped", set()),
    ({"memswap_limit": -1}, "dropped", set()),
    ({"memswap_limit": "4g"}, "dropped", set()),
    ({"cpu_shares": 512}, "left", set()),
    ({"shm_size": "1g"}, "left", set()),
    ({"device_requests": [{"Count": -1}]}, "left", set()),
    ({"mounts": [{"Target": "/a"}]}, "left", set()),
    ({"of_tomorrow": 1}, "left", set()),
    ({"restart_policy": {"Name": "always"}}, "dropped", set()),
]


@pytest.mark.parametrize(("extra", "fate", "codes"), RIGHTS)
def test_rights_are_never_more_without_a_question(
    tmp_path: Path, extra: dict[str, Any], fate: str, codes: set[str]
) -> None:
    made = of(tmp_path, extra)
    assert asked(made) == codes
    found = {change for key, change in fates(made).items() if ".extra_host_config." in key}
    assert found == {fate}
    assert "extra_host_config" not in made.files["config.yaml"].decode()


BINDS: list[tuple[Any, list[tuple[str, str, bool]]]] = [
    ({"/srv/data": {"bind": "/data", "mode": "ro"}}, [("/srv/data", "/data", True)]),
    ({"/srv/data": "/data"}, [("/srv/data", "/data", False)]),
    (["/srv/data:/data:ro"], [("/srv/data", "/data", True)]),
    (["/srv/data:/data"], [("/srv/data", "/data", False)]),
    (["/srv/data:/data:ro,Z"], [("/srv/data", "/data", True)]),
    (["named:/data"], []),
    (["/data"], []),
    (["/a:/b:ro:c"], []),
    ([None, 3, {}], []),
    ("/a:/b", []),
]


@pytest.mark.parametrize(("binds", "mounts"), BINDS)
def test_binds_take_the_place_of_all_folders(
    tmp_path: Path, binds: Any, mounts: list[tuple[str, str, bool]]
) -> None:
    made = of(tmp_path, {"binds": binds})
    found = [(one["root"], one["mount_path"], one["read_only"]) for one in settings(made).get("mounts", [])]
    assert found == mounts
    # The folder with the homes was not mounted.
    assert "homes-move" in asked(made)
    made = of(tmp_path, {"binds": ["/srv/homes/{username}:/home/jovyan"]}, "")
    assert (settings(made)["homes"]["root"], asked(made)) == ("/srv/homes", set())


@pytest.mark.parametrize("extra", [None, 3, "x", [], [1], {}, {"": 1}, {"a": {"b": []}}, {1: 2}])
def test_odd_values_break_nothing(tmp_path: Path, extra: Any) -> None:
    assert asked(of(tmp_path, extra)) == set()


def test_services_of_a_swarm_do_not_read_it(tmp_path: Path) -> None:
    for kind in ("docker-swarm", "dockerspawner.SwarmSpawner"):
        made = of(tmp_path, {"mem_limit": "1g", "read_only": True}, kind=kind)
        assert (spawner(made), asked(made)) == ({}, set())


def test_a_folder_of_the_machine_is_never_the_claim_of_all_homes(tmp_path: Path) -> None:
    more = "c.DockerSpawner.volumes['%s'] = '/%s'\n"
    folders = ("/srv/data", "/srv/homes-of-old", "/srv/x/{username}", "/homes")
    lines = "".join(more % (folder, f"m{number}") for number, folder in enumerate(folders))
    found = settings(of(tmp_path, {}, HOME + lines))
    assert found["homes"].get("volume") is None
    claims = [one["volume"]["claim"] for one in found["mounts"]]
    assert len(set(claims)) == len(folders)
    assert all(claim.startswith("docker-") for claim in claims)
    (tmp_path / "jupyterhub_config.py").write_text(
        f"c.JupyterHub.spawner_class = 'docker'\n{HOME}{more % ('/srv/data', 'data')}", encoding="utf-8"
    )
    said = run(tmp_path / "jupyterhub_config.py", "--to", tmp_path / "new", "--preview", "ada")
    assert "on a cluster claim docker-data" in said


def test_the_preview_shows_what_docker_was_given(tmp_path: Path) -> None:
    extra = {"mem_limit": "512m", "cpu_quota": 50_000, "binds": ["/srv/h/{username}:/home/jovyan", "/d:/data:ro"]}
    of(tmp_path, extra, "c.DockerSpawner.volumes = {'/old': '/old'}\nc.DockerSpawner.cpu_limit = 4\n")
    said = run(tmp_path / "jupyterhub_config.py", "--to", tmp_path / "new", "--preview", "ada", "--dry-run")
    rows = [line.split() for line in said.splitlines()[:7]]
    assert rows[2][:3] == ["/data", "/d", "(read-only)"]
    assert rows[3][4:] == ["-", "to", "512m", "-", "to", "536870912"]
    assert rows[4][4:] == ["-", "to", "0.5", "-", "to", "0.5"]
    assert not any("/old" in word for row in rows for word in row)
