"""Homes and mounts of odd volumes: they neither move nor become writable without a question."""

from __future__ import annotations

from pathlib import Path

import pytest
from old_hubs import OPEN, asked, fates, made_of, new, storage

PLACEHOLDERS = """
singleuser:
  storage:
    type: none
    extraVolumes:
      - {name: home, nfs: {server: nfs.example, path: '/export/{escaped_username}/home'}}
      - {name: data, nfs: {server: nfs.example, path: '/data/{escaped_username}'}}
      - {name: own, persistentVolumeClaim: {claimName: 'own-{escaped_username}'}}
      - {name: map, configMap: {name: 'map-{escaped_username}'}}
      - {name: csi, csi: {driver: a.example, volumeAttributes: {share: '/{escaped_username}'}}}
      - {name: odd, csi: {driver: a.example, volumeAttributes: [1]}}
    extraVolumeMounts:
      - {name: home, mountPath: /home/jovyan}
      - {name: data, mountPath: /data, subPath: raw, readOnly: true}
      - {name: data, mountPath: '/mnt/{escaped_username}'}
      - {name: own, mountPath: /own}
      - {name: map, mountPath: /map}
      - {name: csi, mountPath: /csi}
      - {name: odd, mountPath: /odd}
"""


def test_placeholders_in_volumes_are_in_templates_or_the_volume_is_dropped(tmp_path: Path) -> None:
    made = made_of(tmp_path, OPEN + PLACEHOLDERS)
    settings = new(made)[1]
    volume = {"kind": "nfs", "server": "nfs.example"}
    assert settings["homes"] == {
        "root": "/export",
        "path_template": "{username}/home",
        "volume": volume,
        "slug": "escape",
    }
    data, odd = settings["mounts"]
    assert (data["root"], data["path_template"], data["read_only"]) == ("/data", "{username}/raw", True)
    assert odd["volume"] == {"kind": "csi", "driver": "a.example", "attributes": {}, "publish_secret": ""}
    said = fates(made)
    of_volumes = {key.split(".")[3]: fate for key, fate in said.items() if ".extraVolumes." in key}
    assert "".join(fate[0] for _, fate in sorted(of_volumes.items())) == "ccdddc"
    assert asked(made) == set()


@pytest.mark.parametrize("value", ["'true'", "'yes'", "1", "[]"])
def test_what_was_meant_to_be_read_only_is(tmp_path: Path, value: str) -> None:
    volumes = f"extraVolumes: [{{name: d, nfs: {{server: nfs.example, path: /d, readOnly: {value}}}}}]"
    mounts = "extraVolumeMounts: [{name: d, mountPath: /d}]"
    made = made_of(tmp_path, storage(f"type: none, {volumes}, {mounts}"))
    assert [one["read_only"] for one in new(made)[1]["mounts"]] == [True]


@pytest.mark.parametrize(
    "static", ["{}", "{pvcName: null}", "{pvcName: Not_Valid}", "{pvcName: a, subPath: ../b}"]
)
def test_homes_that_the_settings_cannot_have_are_a_question(tmp_path: Path, static: str) -> None:
    made = made_of(tmp_path, storage(f"type: static, static: {static}"), version="3.3.7")
    assert "homes-move" in asked(made)
    assert new(made)[1].get("homes", {}).keys() <= {"slug"}
    assert "changed" not in fates(made).values()


NAMED = "hub: {allowNamedServers: true}\n"


@pytest.mark.parametrize(
    ("text", "questions"),
    [
        ("", {"homes-move"}),
        ("dynamic: {pvcNameTemplate: 'claim-{username}{servername}'}", {"homes-move"}),
        ("dynamic: {pvcNameTemplate: 'claim-{username}'}", set()),
        ("type: static, static: {pvcName: a, subPath: '{username}/{servername}'}", {"homes-move"}),
        ("type: static, static: {pvcName: a, subPath: '{username}'}", set()),
    ],
)
def test_homes_of_named_servers_do_not_move_silently(tmp_path: Path, text: str, questions: set[str]) -> None:
    made = made_of(tmp_path, NAMED, storage(text), version="3.3.7")
    assert asked(made) == questions
    assert new(made)[1]["homes"].get("path_template", "{username}") == "{username}"
    assert asked(made_of(tmp_path, storage(text), version="3.3.7")) == set()


def test_a_home_at_a_place_of_each_user_is_still_the_home(tmp_path: Path) -> None:
    volumes = "extraVolumes: [{name: d, nfs: {server: nfs.example, path: /homes}}]"
    mounts = "extraVolumeMounts: [{name: d, mountPath: '/home/{username}', subPath: '{escaped_username}'}]"
    made = made_of(tmp_path, storage(f"type: none, homeMountPath: '/home/{{username}}/', {volumes}, {mounts}"))
    assert asked(made) == {"homes-move"}
    assert new(made)[1]["homes"]["root"] == "/homes"
    assert "mounts" not in new(made)[1]
