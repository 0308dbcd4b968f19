"""Old values of Zero to JupyterHub: what was the old chart's own, and what the new one takes otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from old_hubs import OPEN, WORLDS, asked, fates, made_of, new, notes, unsaid

from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values

HOSTS = "proxy: {https: {hosts: [hub.example.org]%s}}\n"
NONE = "storage: {type: none}"

IMAGES = [
    ("{name: jupyterhub/k8s-hub, tag: v0.6, pullPolicy: Always}", {"pullPolicy": "Always"}, set()),
    ("{name: quay.io/jupyterhub/k8s-hub, tag: 3.3.7}", None, set()),
    ("{tag: 3.3.7}", None, set()),
    (
        "{name: mirror.example/jupyterhub/k8s-hub, tag: 3.3.7}",
        {"name": "mirror.example/jupyterhub/k8s-hub"},
        set(),
    ),
    ("{name: registry.example/our-hub, tag: '5'}", {"name": "registry.example/our-hub", "tag": "5"}, {"warning"}),
    ("{pullPolicy: Always}", {"pullPolicy": "Always"}, set()),
    ("old", None, set()),
]


@pytest.mark.parametrize(("image", "expected", "said"), IMAGES)
def test_an_image_of_the_chart_itself_is_the_new_charts(
    tmp_path: Path, image: str, expected: Any, said: set[str]
) -> None:
    made = made_of(tmp_path, f"hub: {{config: {{Authenticator: {{allow_all: true}}}}, image: {image}}}\n")
    assert new(made)[0]["hub"].get("image") == expected
    assert {change for change, _ in notes(made, "hub.image.name")} - {"dropped"} == said
    assert unsaid(made) == []


@pytest.mark.parametrize(
    ("text", "version", "expected"),
    [
        (HOSTS % "", "0.9.1", True),
        (HOSTS % "", "v0.6", True),
        (HOSTS % "", "0.10.6", None),
        (HOSTS % "", "3.3.7", None),
        (HOSTS % "", "", None),
        (HOSTS % "" + "auth: {type: dummy}\n", "", True),
        (HOSTS % ", enabled: false", "0.9.1", False),
        ("proxy: {https: {hosts: []}}\n", "0.9.1", None),
    ],
)
def test_https_that_was_on_by_default_stays_on(tmp_path: Path, text: str, version: str, expected: Any) -> None:
    made = made_of(tmp_path, OPEN + text, version=version)
    assert new(made)[0]["proxy"]["https"].get("enabled") == expected
    assert ("added" in {change for change, _ in notes(made, "proxy.https")}) == (expected is True)


def test_a_hub_without_rights_is_a_warning(tmp_path: Path) -> None:
    made = made_of(tmp_path, f"{OPEN}rbac: {{enabled: false}}\n")
    assert [change for change, _ in notes(made, "rbac.enabled")] == ["changed", "warning"]


LTI = "auth: {type: lti, lti: {consumers: {key: made-up-secret}}}\n"


def test_names_of_lti_are_a_question_unless_they_are_said(tmp_path: Path) -> None:
    made = made_of(tmp_path, LTI)
    assert asked(made) == {"homes-move"}
    assert "made-up-secret" not in made.files["values.yaml"].decode()
    hub = "hub: {config: {LTI11Authenticator: {username_key: user_id}}}\n"
    made = made_of(tmp_path, LTI + hub)
    assert asked(made) == set()
    assert new(made)[0]["hub"]["config"]["JupyterHub"]["authenticator_class"].endswith("LTI11Authenticator")


def containers(*given: str) -> str:
    return f"{OPEN}singleuser: {{{NONE}, initContainers: [{', '.join(given)}]}}\n"


PLAIN = (
    "{name: wait, image: 'a.example/wait:1', command: [wait], env: [{name: A, value: 1}], imagePullPolicy: Always}"
)


def test_a_container_that_needs_nothing_is_beside_ours(tmp_path: Path) -> None:
    made = made_of(tmp_path, containers(PLAIN))
    values, settings = new(made)
    [one] = settings["pods"]["servers"]["init_containers"]
    assert (one["name"], one["env"], one["pull_policy"]) == ("wait", {"A": "1"}, "Always")
    assert "initContainers" not in values.get("singleuser", {})
    complete = {
        **settings,
        "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
        "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
    }
    ours = z2jh_values(Settings.model_validate(complete), "gateway")["singleuser"]["initContainers"]
    assert "wait" in [container["name"] for container in ours]


LEFT = [
    ("{name: a, image: 'a.example/a:1', volumeMounts: [{name: home, mountPath: /h}]}", "it mounts home, "),
    ("{name: a, image: 'a.example/a:1', securityContext: {runAsUser: 0}}", "have no securityContext"),
    (
        "{name: a, image: 'a.example/a:1', env: [{name: A, valueFrom: {fieldRef: {fieldPath: x}}}]}",
        "plain variables",
    ),
    ("{name: a, image: a.example/a}", "but not this: pods.servers.init_containers"),
    ("{name: home, image: 'a.example/a:1'}", "already have a container named home"),
]


@pytest.mark.parametrize(("container", "why"), LEFT)
def test_another_container_is_left_with_what_it_needs(tmp_path: Path, container: str, why: str) -> None:
    made = made_of(tmp_path, containers(container, PLAIN))
    [(fate, said)] = notes(made, "singleuser.initContainers.0")
    assert (fate, why in said) == ("left", True)
    assert [one["name"] for one in new(made)[1]["pods"]["servers"]["init_containers"]] == ["wait"]
    assert unsaid(made) == []


@pytest.mark.parametrize(
    "odd", ["3", "{a: b}", "[3]", "[{}]", "[[]]", "[{name: 1, env: x}]", "[]", "[{env: {A: b}}]"]
)
def test_odd_containers_have_a_fate(tmp_path: Path, odd: str) -> None:
    made = made_of(tmp_path, f"{OPEN}singleuser: {{{NONE}, initContainers: {odd}}}\n")
    assert "pods" not in new(made)[1]
    assert unsaid(made) == []


def test_traits_in_profiles_have_their_present_names(tmp_path: Path) -> None:
    override = "{image_spec: 'a:1', singleuser_node_selector: {a: b}, singleuser_uid: 0}"
    both = "{singleuser_image_spec: 'a:1', image: 'a:2'}"
    profiles = f"[{{kubespawner_override: {override}}}, {{kubespawner_override: {both}}}]"
    made = made_of(tmp_path, f"{OPEN}singleuser: {{{NONE}, profileList: {profiles}}}\n")
    assert new(made)[0]["singleuser"]["profileList"] == [
        {"kubespawner_override": {"image": "a:1", "node_selector": {"a": "b"}}},
        {"kubespawner_override": {"image": "a:2"}},
    ]
    said = fates(made)
    where = "singleuser.profileList.{}.kubespawner_override.{}".format
    assert said[where(0, "image_spec")] == "changed"
    assert (said[where(0, "singleuser_uid")], said[where(1, "singleuser_image_spec")]) == ("dropped", "dropped")


def test_a_choice_that_is_not_listed_stays() -> None:
    made = yaml.safe_load((WORLDS / "z2jh-3-profiles" / "made" / "values.yaml").read_text(encoding="utf-8"))
    image = made["singleuser"]["profileList"][0]["profile_options"]["image"]
    assert image["unlisted_choice"]["kubespawner_override"] == {"image": "{value}"}
    assert image["choices"]["r"]["kubespawner_override"] == {
        "image": "registry.example/r:3",
        "default_url": "/rstudio",
    }


def test_a_hook_is_kept_and_says_what_kernels_see(tmp_path: Path) -> None:
    hook = "{postStart: {exec: {command: [gitpuller, 'https://git.example/a', main, a]}}}"
    made = made_of(tmp_path, f"{OPEN}singleuser: {{{NONE}, lifecycleHooks: {hook}}}\n")
    assert new(made)[0]["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"][0] == "gitpuller"
    [note] = [one for one in made.fates() if one.key.endswith("command.0")]
    assert (note.change, "kernels see what it leaves in the home" in note.why) == ("kept", True)
