"""`kernelpod hub secrets rotate` in a cluster: what is stored, restarted, and completed after an interruption."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from deployments import TOKENS, deployment, written

from kernelpod.cli.main import main
from kernelpod.deploy import cluster
from kernelpod.deploy.rotation import ROTATING

LEAST: dict[str, Any] = {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}}
TWO = {**LEAST, "more_hubs": {"exam": {"users": ["bob"]}}}


def old(name: str, space: str) -> str:
    """Return a secret of before."""
    return (name + space).encode().hex().ljust(64, "0")


class FakeTools:
    """kubectl with the Secrets of hubs and gateway: it patches them as the API server does, and may fail."""

    def __init__(self, *spaces: str) -> None:
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.changed: list[str] = []
        self.asked: list[str] = []
        self.fails_at = 0
        """The number of the change that fails, from 1; 0: none."""
        self.after = False
        """Whether the change is made all the same, as when the answer is lost."""
        for space in spaces:
            self._put("hub", space, {name: old(name, space) for name in TOKENS})
            gateways = "kernelpod-hub" if space == "hub" else f"kernelpod-hub-{space}"
            self._put(gateways, "gateway", {"token": old("service_token", space)})

    def _put(self, name: str, space: str, values: dict[str, str]) -> None:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.secrets[space, name] = {"metadata": {"name": name, "resourceVersion": "1"}, "data": data}

    def values(self, space: str, name: str = "hub") -> dict[str, str]:
        return {key: base64.b64decode(text).decode() for key, text in self.secrets[space, name]["data"].items()}

    def note(self, space: str = "hub") -> str | None:
        noted: str | None = self.secrets[space, "hub"]["metadata"].get("annotations", {}).get(ROTATING)
        return noted

    def __call__(self, command: list[str], given: str | None, seconds: float) -> subprocess.CompletedProcess[str]:
        words = [word for word in command if word != "kubectl"]
        self.asked.append(" ".join(command))
        if words[0] not in ("patch", "replace", "create", "rollout") or words[:2] == ["rollout", "status"]:
            return subprocess.CompletedProcess(command, 0, self._answer(words), "")
        failed = len(self.changed) + 1 == self.fails_at
        if not failed or self.after:
            self._change(words, given or "")
        self.changed.append(" ".join(words[:3]))
        return subprocess.CompletedProcess(command, int(failed), "", "the API server is gone" if failed else "")

    def _answer(self, words: list[str]) -> str:
        if words[:2] == ["config", "view"]:
            return "https://cluster"
        if words[:2] == ["get", "secret"]:
            found = self.secrets.get((words[words.index("-n") + 1], words[2]))
            return json.dumps(found) if found else ""
        if words[:2] == ["get", "deployments"]:
            assert "app.kubernetes.io/component=gateway" in words[-1]
            return json.dumps({"items": [{"metadata": {"name": "kernelpod"}}]})
        return json.dumps({"items": []}) if words[0] == "get" else ""

    def _change(self, words: list[str], given: str) -> None:
        if words[0] == "replace":
            made = yaml.safe_load(given)
            self._put(made["metadata"]["name"], made["metadata"]["namespace"], made["stringData"])
        elif words[0] == "patch":
            patch, there = json.loads(given), self.secrets[words[words.index("-n") + 1], words[2]]
            meta = there["metadata"]
            assert patch["metadata"]["resourceVersion"] == meta["resourceVersion"]
            meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
            notes = {**meta.get("annotations", {}), **patch["metadata"]["annotations"]}
            meta["annotations"] = {key: value for key, value in notes.items() if value is not None}
            for key, value in patch.get("stringData", {}).items():
                there["data"][key] = base64.b64encode(value.encode()).decode()


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    return use(monkeypatch, FakeTools("hub"))


def use(monkeypatch: pytest.MonkeyPatch, tools: FakeTools) -> FakeTools:
    made = cluster.Cluster(("kubectl",), ("helm",), run=tools)
    monkeypatch.setattr("kernelpod.cli.deploy.find_cluster", lambda _: made)
    return tools


def rotate(folder: Path, *words: str, data: Any = LEAST) -> Result:
    command = ["hub", "secrets", "rotate", "--file", str(written(folder, data)), *words]
    return CliRunner().invoke(main, command)


def all_values(tools: FakeTools) -> set[str]:
    return {value for one in tools.secrets for value in tools.values(*one).values()}


def is_rotated(tools: FakeTools, space: str = "hub") -> None:
    """Check that each secret is new, the former crypt key is kept, and the gateway has the hub's token."""
    now = tools.values(space)
    gateways = "kernelpod-hub" if space == "hub" else f"kernelpod-hub-{space}"
    assert list(now) == TOKENS
    assert [name for name in TOKENS if now[name] == old(name, space)] == []
    assert now["crypt_key"].split(";")[1:] == [old("crypt_key", space)]
    assert len({part for value in now.values() for part in value.split(";")}) == len(TOKENS) + 1
    assert tools.values("gateway", gateways) == {"token": now["service_token"]}
    assert tools.note(space) is None


def test_it_stores_first_and_restarts_the_hub_before_the_gateway(tmp_path: Path, tools: FakeTools) -> None:
    done = rotate(tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    is_rotated(tools)
    assert tools.changed == [
        "patch secret hub",
        "replace -f -",
        "rollout restart deployment/hub",
        "rollout restart deployment/kernelpod",
        "patch secret hub",
    ]
    waited = [text for text in tools.asked if "rollout status" in text]
    assert ["deployment/hub -n hub" in waited[0], "deployment/kernelpod -n gateway" in waited[1]] == [True, True]


def test_no_secret_is_printed_or_on_a_command_line(tmp_path: Path, tools: FakeTools) -> None:
    before = all_values(tools)
    tools.fails_at = 4
    said = rotate(tmp_path, "--yes", "--json").output + rotate(tmp_path, "--yes").output
    for value in before | all_values(tools):
        for part in value.split(";"):
            assert part not in said
            assert not [text for text in tools.asked if part in text]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("after", [False, True], ids=["before the change", "after the change"])
def test_an_interrupted_rotation_is_completed_by_the_next(
    tmp_path: Path, tools: FakeTools, number: int, after: bool
) -> None:
    tools.fails_at, tools.after = number, after
    done = rotate(tmp_path, "--yes")
    assert done.exit_code == 1
    assert "run the command again" in done.output
    assert ("  nothing" in done.output) is (number == 1)
    stored = dict(tools.values("hub"))
    assert (stored["cookie_secret"] != old("cookie_secret", "hub")) is (number > 1 or after)
    assert (tools.note() is not None) is (after if number == 1 else not (after and number == 5))
    tools.fails_at, finished = 0, tools.note() is None and number == 5
    again = len(tools.changed)
    done = rotate(tmp_path, "--yes")
    assert done.exit_code == 0, done.output
    now = tools.values("hub")
    assert [name for name in TOKENS if now[name] == stored[name]] == (
        [] if finished or (number == 1 and not after) else ["crypt_key"]
    ), "all are new again, but the key that is kept"
    assert {"rollout restart deployment/hub", "rollout restart deployment/kernelpod"} <= {*tools.changed[again:]}
    if finished:  # only the answer was lost: nothing tells this from a rotation that was never begun
        assert len(now["crypt_key"].split(";")) == 3
    else:
        is_rotated(tools)


def test_one_of_them_is_chosen_and_the_gateway_restarted_for_its_token_only(
    tmp_path: Path, tools: FakeTools
) -> None:
    assert rotate(tmp_path, "--yes", "--only", "cookie_secret").exit_code == 0
    now = tools.values("hub")
    assert [name for name in TOKENS if now[name] != old(name, "hub")] == ["cookie_secret"]
    assert [one for one in tools.changed if "rollout" in one] == ["rollout restart deployment/hub"]


def test_what_is_chosen_after_an_interruption_is_new_and_the_rest_is_completed(
    tmp_path: Path, tools: FakeTools
) -> None:
    tools.fails_at = 2
    assert rotate(tmp_path, "--yes", "--only", "cookie_secret").exit_code == 1
    cookie, tools.fails_at = tools.values("hub")["cookie_secret"], 0
    done = rotate(tmp_path, "--yes", "--only", "service_token")
    assert done.exit_code == 0, done.output
    now = tools.values("hub")
    assert now["cookie_secret"] == cookie
    assert now["service_token"] == tools.values("gateway", "kernelpod-hub")["token"] != old("service_token", "hub")
    assert tools.note() is None


def test_a_dry_run_and_a_no_change_nothing(tmp_path: Path, tools: FakeTools) -> None:
    said = json.loads(rotate(tmp_path, "--dry-run", "--json").stdout)
    assert (said["dry_run"], said["ok"], {one["outcome"] for one in said["steps"]}) == (True, True, {"planned"})
    assert len(said["steps"]) == 5
    assert "plan  hub hub restarted" in rotate(tmp_path, "--dry-run").output
    refused = rotate(tmp_path)
    assert "All users must log in to the hub again." in refused.output
    assert refused.exit_code == 1
    assert rotate(tmp_path, "--json").exit_code == 2
    assert tools.changed == []


def test_a_program_is_told_what_was_done_and_what_is_left(tmp_path: Path, tools: FakeTools) -> None:
    tools.fails_at = 3
    done = rotate(tmp_path, "--yes", "--json")
    said = json.loads(done.stdout)
    assert [one["outcome"] for one in said["steps"]] == ["done", "done", "failed", "left", "left"]
    assert (done.exit_code, said["ok"], "the API server is gone" in said["steps"][2]["message"]) == (
        1,
        False,
        True,
    )


def test_each_hub_gets_its_own_and_the_gateway_restarts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = use(monkeypatch, FakeTools("hub", "exam"))
    assert rotate(tmp_path, "--yes", data=TWO).exit_code == 0
    is_rotated(tools)
    is_rotated(tools, "exam")
    assert set(tools.values("hub").values()) & set(tools.values("exam").values()) == set()
    assert tools.changed.count("rollout restart deployment/kernelpod") == 1


def test_one_hub_of_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = use(monkeypatch, FakeTools("hub", "exam"))
    assert rotate(tmp_path, "--yes", "--hub", "exam", data=TWO).exit_code == 0
    is_rotated(tools, "exam")
    assert tools.values("hub") == {name: old(name, "hub") for name in TOKENS}
    assert rotate(tmp_path, "--yes", "--hub", "exams", data=TWO).exit_code == 2


def test_former_crypt_keys_are_bounded_and_forgotten_when_told(tmp_path: Path, tools: FakeTools) -> None:
    for _ in range(3):
        assert rotate(tmp_path, "--yes", "--only", "crypt_key").exit_code == 0
    full = tools.values("hub")
    assert [len(key) for key in full["crypt_key"].split(";")] == [64] * 4
    refused = rotate(tmp_path, "--yes")
    assert (refused.exit_code, "--forget-old-keys" in refused.output) == (1, True)
    assert tools.values("hub") == full, "nothing was changed"
    assert rotate(tmp_path, "--yes", "--forget-old-keys").exit_code == 0
    assert tools.values("hub") == {**full, "crypt_key": full["crypt_key"].split(";")[0]}
    assert "nothing to do" in rotate(tmp_path, "--yes", "--forget-old-keys").output


def test_keys_are_not_forgotten_before_the_new_one_is_used(tmp_path: Path, tools: FakeTools) -> None:
    tools.fails_at = 2
    rotate(tmp_path, "--yes", "--only", "crypt_key")
    tools.fails_at, before = 0, tools.values("hub")
    refused = rotate(tmp_path, "--yes", "--forget-old-keys")
    assert (refused.exit_code, "was interrupted" in refused.output) == (1, True)
    assert tools.values("hub") == before


@pytest.mark.parametrize("how", ["z2jh", "none"])
def test_a_hub_of_somebody_else_is_refused(tmp_path: Path, tools: FakeTools, how: str) -> None:
    assert deployment(hub={"install": how, "users": ["alice"]}).hub.install == how
    done = rotate(tmp_path, "--yes", data={**LEAST, "hub": {"install": how, "users": ["alice"]}})
    assert (done.exit_code, f"(hub.install: {how})" in done.output) == (1, True)
    assert tools.changed == []


def test_where_nothing_is_deployed_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, FakeTools())
    done = rotate(tmp_path, "--yes")
    assert (done.exit_code, "run `kernelpod deploy` first" in done.output) == (1, True)
