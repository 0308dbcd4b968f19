"""Where homes are mounted by Bitnami's chart, which mounts them elsewhere than Zero to JupyterHub by default."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import asked, fates, made_of, new, notes, run, unsaid

USUAL = "/opt/bitnami/jupyterhub-singleuser"
NOT_SAID = "singleuser.notebookDir"
# The values of servers, where homes are mounted, and what is said of the folder.
SERVERS: list[tuple[Any, str | None, str]] = [
    ({}, USUAL, "added"),
    (None, USUAL, "added"),
    ({"persistence": {"size": "5Gi"}}, USUAL, "added"),
    ({"persistence": {"enabled": True}}, USUAL, "added"),
    ({"persistence": {"enabled": None}}, USUAL, "added"),
    ({"persistence": None}, USUAL, "added"),
    ({"persistence": []}, USUAL, "added"),
    ({"persistence": "on"}, USUAL, "added"),
    ({"persistence": {"enabled": "false"}}, USUAL, "added"),
    ({"persistence": {"enabled": False}}, None, ""),
    ({"persistence": {"enabled": False}, "notebookDir": "/a"}, "/a", "changed"),
    ({"notebookDir": USUAL}, USUAL, "changed"),
    ({"notebookDir": f"{USUAL}/"}, USUAL, "changed"),
    ({"notebookDir": "/home/jovyan"}, "/home/jovyan", "changed"),
    ({"notebookDir": "/home/lab/work"}, "/home/lab/work", "changed"),
    ({"notebookDir": None}, USUAL, "added"),
    ({"notebookDir": ""}, USUAL, "added"),
    ({"notebookDir": 3}, USUAL, "added"),
    ({"notebookDir": True}, USUAL, "added"),
    ({"notebookDir": ["/a"]}, USUAL, "added"),
    ({"notebookDir": {"a": "/b"}}, USUAL, "added"),
    ({"notebookDir": "/home/{username}"}, None, "dropped"),
    ({"notebookDir": "relative"}, None, "dropped"),
    ({"notebookDir": "/a/../b"}, None, "dropped"),
    ({"notebookDir": "//a"}, None, "dropped"),
    ({"notebookDir": "/"}, None, "dropped"),
    ({"image": {"repository": "lab", "tag": "1"}}, USUAL, "added"),
    ({"extraEnvVars": [{"name": "A", "value": "b"}]}, USUAL, "added"),
    ({"storage": {"homeMountPath": "/mine"}}, "/mine", ""),
    ({"storage": {"type": "none"}}, None, ""),
    ({"storage": None}, USUAL, "added"),
    ({"storage": 3}, None, ""),
    ({"resources": {"limits": {"memory": "1Gi"}}}, USUAL, "added"),
]


def of(folder: Path, servers: Any) -> str:
    text = yaml.safe_dump({"hub": {"adminUser": "ada"}, "singleuser": servers})
    (folder / "old.yaml").write_text(text, encoding="utf-8")
    return text


@pytest.mark.parametrize(("servers", "place", "said"), SERVERS)
def test_homes_stay_where_the_chart_mounts_them(
    tmp_path: Path, servers: Any, place: str | None, said: str
) -> None:
    made = made_of(tmp_path, of(tmp_path, servers))
    assert unsaid(made) == []
    assert new(made)[1].get("homes", {}).get("mount_path") == place
    assert not said or said in {change for change, _ in notes(made, NOT_SAID)}
    # What is not where it was is a question.
    if said == "dropped":
        assert "homes-move" in asked(made)


@pytest.mark.parametrize("folder", [None, "", 3])
def test_a_folder_that_is_none_is_dropped(tmp_path: Path, folder: Any) -> None:
    made = made_of(tmp_path, of(tmp_path, {"notebookDir": folder}))
    assert fates(made)[NOT_SAID] == "dropped"


@pytest.mark.parametrize(
    ("servers", "before", "after"),
    [
        ({}, "claim claim-ada", "claim claim-ada"),
        ({"notebookDir": None}, "claim claim-ada", "claim claim-ada"),
        ({"persistence": {"size": "5Gi"}}, "claim claim-ada", "claim claim-ada"),
        ({"notebookDir": f"{USUAL}/"}, "claim claim-ada", "claim claim-ada"),
    ],
)
def test_the_preview_shows_them_there(tmp_path: Path, servers: Any, before: str, after: str) -> None:
    of(tmp_path, servers)
    words = (tmp_path / "old.yaml", "--to", tmp_path / "new", "--dry-run", "--preview", "ada", "--json")
    rows = {row["what"]: (row["before"], row["after"]) for row in json.loads(run(*words))["preview"]}
    assert rows[USUAL] == (before, after)
    assert rows["memory of a server"][0] == "- to no limit"
    assert "/home/jovyan" not in rows
