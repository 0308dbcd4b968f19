"""Values for Zero to JupyterHub: keys that its chart takes, and what they mean to KubeSpawner."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from hub_settings import NFS, SECTIONS, WITH_COURSES, values

from kernelpod.base.names import user_slug
from kernelpod.cli.main import main
from kernelpod.deploy.settings import Deployment
from kernelpod.errors import SettingsError
from kernelpod.findings.finding import START
from kernelpod.findings.yamlfile import Spot, YamlTree
from kernelpod.pods.server import MAKE_HOME
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import overrides
from kernelpod.z2jh.values import z2jh_values
from pages import texts
from plans import ADDITIONS
from zero_schema import SCHEMAS, VERSIONS, validate

KEYS = Path(__file__).parent / "z2jh_keys"
OURS = [
    SECTIONS,
    {**SECTIONS, "homes": {"root": "/homes", "path_template": "{hub}/{username}", "volume": NFS}},
    {
        **SECTIONS,
        "mounts": [
            {"name": "data", "root": "/data", "mount_path": "/data", "volume": NFS},
            {"name": "pip", "mount_path": "/etc/pip", "volume": {"kind": "config_map", "object": "pip"}},
            {"name": "vault", "mount_path": "/opt/vault", "volume": {"kind": "csi", "driver": "x.csi.k8s.io"}},
        ],
    },
    {
        **SECTIONS,
        "identity": {"admin_scope": "admin:users"},
        "servers": {**SECTIONS["servers"], "extension": False},
    },
    WITH_COURSES,
    {**SECTIONS, "homes": {"root": "/homes", "volume": {**NFS, "kind": "dynamic", "claim": "claim-{username}"}}},
    {**SECTIONS, "homes": {"volume": {"kind": "none"}}},
    {**SECTIONS, "culling": {"idle_seconds": 1800}},
    {**SECTIONS, "pods": {"servers": ADDITIONS}},
    {**SECTIONS, "hubs": [{"subdomain_host": "https://hub.example.org"}]},
]


HOMES_OF_HUBS = {**SECTIONS["homes"], "path_template": "{hub}/{username}"}


def test_of_several_hubs_one_is_named() -> None:
    settings = Settings.model_validate(
        {**SECTIONS, "hubs": [{"name": "a"}, {"name": "b"}], "homes": HOMES_OF_HUBS}
    )
    made = z2jh_values(settings, "gateway", hub_name="b")
    assert made["singleuser"]["extraEnv"]["JUPYTER_GATEWAY_URL"] == "http://kernelpod.gateway:8888/hubs/b"
    with pytest.raises(SettingsError, match="name one of a, b"):
        z2jh_values(settings, "gateway")


EXAM = """
hub: exam
mode: exam
semester: ws26
courses: {ml: {image: "lab:1", network: none, kernelspecs: [exam-pod], students: [alice]}}
"""


@pytest.mark.parametrize(
    ("courses", "text", "code", "said"),
    [
        ("/srv/courses-files/exam.yaml", EXAM, 0, "configure_zero(c, "),
        (None, EXAM, 2, "the settings name no courses file for the hub 'exam'"),
        ("/srv/courses-files/exam.yaml", EXAM.replace("exam\n", "exma\n", 1), 2, "exam.yaml:2:1"),
        ("/srv/courses-files/exam.yaml", EXAM.replace("network: none, ", ""), 2, "an exam must name the network"),
        ("/srv/courses-files/exam.yaml", "", 2, "exam.yaml"),
    ],
    ids=["good", "not in the settings", "another hub", "faults", "empty"],
)
def test_a_hub_may_be_given_by_its_courses_file(
    courses: str | None, text: str, code: int, said: str, tmp_path: Path
) -> None:
    hubs = [{"name": "term"}, {"name": "exam", **({"courses": courses} if courses else {})}]
    file, exam = tmp_path / "settings.yaml", tmp_path / "exam.yaml"
    file.write_text(yaml.safe_dump({**SECTIONS, "hubs": hubs, "homes": HOMES_OF_HUBS}), encoding="utf-8")
    exam.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(main, ["hub", "values", "--settings", str(file), "--hub", str(exam)])
    assert (done.exit_code, said in done.output) == (code, True), done.output[-2000:]


@pytest.mark.parametrize("version", ["4.0", "4.0.0", "v4.4.0", "4.4", "5.0.0-0.dev", "10.0"])
def test_newer_charts_name_homes_as_the_gateway_does(version: str) -> None:
    assert "Authenticator" not in values(version=version)["hub"]["config"]


@pytest.mark.parametrize(("version", "kind"), [("3.3", list), ("4.2.0", list), ("4.3", dict), ("4.4.0", dict)])
def test_newer_charts_get_volumes_that_an_admin_can_add_to(version: str, kind: type) -> None:
    storage = values(version=version)["singleuser"]["storage"]
    assert [type(storage[key]) for key in ("extraVolumes", "extraVolumeMounts")] == [kind, kind]


@pytest.mark.parametrize("name", ["alice", "a", "user1", "x" * 48])
def test_with_an_older_chart_only_those_log_in_whose_home_is_the_same(name: str) -> None:
    made = z2jh_values(Settings.model_validate(SECTIONS), "gateway", chart_version="3.3.8")
    pattern = made["hub"]["config"]["Authenticator"]["username_pattern"]
    assert re.match(pattern, name)
    assert user_slug(name) == name
    for other in ("john.doe", "user_1", "a-b", "1st", "Alice", "ünal", "a@b.org", "x" * 49, ""):
        assert not re.match(pattern, other)


def test_with_an_older_chart_all_log_in_where_homes_have_its_names() -> None:
    settings = Settings.model_validate({**SECTIONS, "homes": {"root": "/homes", "slug": "escape"}})
    made = z2jh_values(settings, "gateway", chart_version="3.3.8")
    assert "username_pattern" not in made["hub"]["config"].get("Authenticator", {})
    assert made["singleuser"]["extraEnv"]["KERNEL_PATH"] == "/homes/{username}"
    newer = z2jh_values(settings, "gateway", chart_version="4.0.0")
    assert newer["singleuser"]["extraEnv"]["KERNEL_PATH"] == "/homes/{escaped_username}"


@pytest.mark.parametrize(
    ("version", "sections", "said"),
    [
        ("3.3", WITH_COURSES, "courses need 4.0 or later"),
        ("3.2.1", SECTIONS, "3.3 or later"),
        ("2.0.0", SECTIONS, "3.3 or later"),
        ("latest", SECTIONS, "write a version such as 4.4"),
        ("4", SECTIONS, "write a version such as 4.4"),
        ("4.4\n", SECTIONS, "write a version such as 4.4"),
    ],
)
def test_a_chart_that_cannot_do_it_is_refused(version: str, sections: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        z2jh_values(Settings.model_validate(sections), "gateway", chart_version=version)


def blocks(page: str) -> list[Any]:
    """Return the YAML of a page, block by block."""
    return [yaml.safe_load(text) for text in texts(page, "yaml")]


OLD_AND_NEW = [("busy-hub", 0), *(("ways-in", number) for number in range(3))]


@pytest.mark.parametrize(
    ("version", "page", "number"),
    [
        *((version, *block) for version in VERSIONS for block in OLD_AND_NEW),
        ("4.4.0", "ways-in", 3),
    ],
)
def test_the_charts_know_what_the_pages_say(version: str, page: str, number: int) -> None:
    yours = blocks(page)[number]
    assert unknown(yours, version) == []
    ours = z2jh_values(Settings.model_validate(SECTIONS), "gateway")
    tree = YamlTree(yours, {(): Spot(Path(page), START)})
    assert [one for one in overrides(ours, tree) if one.level != "note"] == []
    if SCHEMAS:
        validate(yours, version)


def test_what_a_busy_hub_of_manifests_is_told_can_be_deployed() -> None:
    given = {"nfs": {"server": "10.0.0.5"}, **blocks("busy-hub")[1]}
    given["hub"] = {**given["hub"], "users": ["alice"]}
    deployment = Deployment.model_validate(given)
    Settings.model_validate(deployment.settings)


def paths(value: Any, before: str = "") -> list[str]:
    """Return the dotted paths of all leaves; a list is a leaf."""
    if not isinstance(value, dict) or not value:
        return [before]
    return [path for key, inner in value.items() for path in paths(inner, f"{before}.{key}".removeprefix("."))]


def unknown(made: dict[str, Any], version: str) -> list[str]:
    """Return the paths of values that a version of the chart does not know."""
    known = yaml.safe_load((KEYS / f"{version}.yaml").read_text(encoding="utf-8"))
    opened = tuple(key.removesuffix("*") for key in known if key.endswith(".*"))
    below = tuple(key.removesuffix(".") for key in opened)
    found = [path for path in paths(made) if not path.startswith(opened) and path not in below]
    return [path for path in found if path not in known]


# The hub of older charts cannot do courses.
OF_VERSIONS = [
    (one, version) for version in VERSIONS for one in OURS if version[0] > "3" or one is not WITH_COURSES
]


@pytest.mark.parametrize(("sections", "version"), OF_VERSIONS)
def test_the_chart_knows_every_key(version: str, sections: dict[str, Any]) -> None:
    assert unknown(values(sections, version), version) == []


@pytest.mark.parametrize(("sections", "version"), OF_VERSIONS)
def test_the_chart_takes_the_values(version: str, sections: dict[str, Any]) -> None:
    validate(values(sections, version), version)


def test_server_and_kernel_get_the_same_home() -> None:
    made = values(OURS[1])["singleuser"]
    assert made["extraEnv"]["KERNEL_PATH"] == "/homes/hub/{username}"
    assert made["storage"]["extraVolumes"] == {
        "kernelpod-00": {"name": "homes", "nfs": {"server": "10.0.0.5", "path": "/homes", "readOnly": False}}
    }
    (mount,) = made["storage"]["extraVolumeMounts"].values()
    assert mount == {"name": "homes", "mountPath": "/home/jovyan", "subPath": "hub/{username}"}


def test_the_hubs_pages_say_where_files_are_not_kept() -> None:
    made = values({**SECTIONS, "homes": {"volume": {"kind": "none"}}})["hub"]["templateVars"]
    assert made.keys() == {"announcement_home", "announcement_spawn"}
    assert all("Files are not kept" in said for said in made.values())
    assert "templateVars" not in values()["hub"]


def test_claims_of_users_are_made_by_the_charts_hub() -> None:
    own = {**NFS, "kind": "dynamic", "claim": "claim-{username}"}
    made = values({**SECTIONS, "homes": {"volume": own, "claims": {"size": "2Gi", "storage_class": "nfs"}}})
    assert (
        made["hub"]["config"]["KubeSpawner"].items()
        >= {
            "storage_pvc_ensure": True,
            "pvc_name_template": "claim-{username}",
            "storage_capacity": "2Gi",
            "storage_class": "nfs",
            "delete_pvc": False,
        }.items()
    )
    (volume,) = made["singleuser"]["storage"]["extraVolumes"].values()
    assert volume == {
        "name": "homes",
        "persistentVolumeClaim": {"claimName": "claim-{username}", "readOnly": False},
    }


def test_the_chart_culls_by_the_one_number_and_not_by_its_own() -> None:
    assert values()["cull"] == {"enabled": False}
    made = values(culling={"idle_seconds": 1800})
    assert made["cull"] == {"enabled": True, "timeout": 2080, "every": 180, "concurrency": 10}
    assert made["singleuser"]["extraEnv"]["JUPYTERHUB_ACTIVITY_INTERVAL"] == "180"


def test_braces_survive_kubespawners_expansion() -> None:
    (container,) = values()["singleuser"]["initContainers"]
    assert container["command"][2].format(username="alice") == MAKE_HOME.replace("$", "$$")
    assert [text.format(username="alice") for text in container["args"]] == [
        "/homes/alice",
        "/homes/alice",
        "1000",
        "100",
    ]


def test_both_network_rules_are_there() -> None:
    made = values()
    gateway = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}},
        "podSelector": {
            "matchLabels": {"app.kubernetes.io/name": "kernelpod", "app.kubernetes.io/component": "gateway"}
        },
    }
    assert made["singleuser"]["networkPolicy"]["egress"][0] == {
        "to": [gateway],
        "ports": [{"protocol": "TCP", "port": 8888}],
    }
    assert made["hub"]["networkPolicy"]["ingress"] == [
        {"from": [gateway], "ports": [{"protocol": "TCP", "port": 8081}]}
    ]


def test_a_stopping_server_has_time_for_its_kernels() -> None:
    made = values(policy={"max_kernels_per_user": 10})["hub"]["config"]["KubeSpawner"]
    assert made["delete_grace_period"] == 10 * (10 + 2) + 5
    # KubeSpawner waits for the end of a pod by the time-out of its start.
    assert values(policy={"max_kernels_per_user": 10})["singleuser"]["startTimeout"] > made["delete_grace_period"]


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"mounts": [{"name": "a", "root": "/a", "mount_path": "/a", "groups": ["x"], "volume": NFS}]}, "mounts:"),
    ({"policy": {"rules": [{"users": ["bob"], "uid": 2000}]}}, "policy.rules, hubs.user_ids:"),
    ({"hubs": [{"user_ids": "/etc/passwd"}]}, "policy.rules, hubs.user_ids:"),
    ({"runtime": {}}, "home_check_image:"),
    ({"servers": {}}, "servers.gateway_url:"),
]


@pytest.mark.parametrize(("changes", "named"), REFUSED, ids=[named for _, named in REFUSED])
def test_what_the_chart_cannot_do_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        values(**changes)


def test_the_command_prints_yaml(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(SECTIONS), encoding="utf-8")
    folder = tmp_path / "kernelspecs" / "a-pod"
    folder.mkdir(parents=True)
    stanza = {"kernelpod": {"image": "kernel:1"}}
    whole = {"display_name": "A", "language": "R", "argv": ["R", "{connection_file}"], "metadata": stanza}
    (folder / "kernel.json").write_text(json.dumps(whole), encoding="utf-8")
    words = ["--settings", str(file), "--image", "lab:2", "--kernelspecs", str(folder.parent)]
    done = CliRunner().invoke(main, ["hub", "values", *words])
    assert done.exit_code == 0
    assert yaml.safe_load(done.output) == values()


@pytest.mark.parametrize(
    ("words", "code", "denied"),
    [
        (["--no-internet"], 0, None),
        (["--deny", "9.9.9.9"], 0, "9.9.9.9/32"),
        (["--deny", "2620:fe::/48"], 0, "2620:fe::/48"),
        (["--deny", "nfs.example.org"], 2, None),
        (["--deny", "9.9.9.9/8"], 2, None),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, list) else "",
)
def test_the_command_closes_ways_out(words: list[str], code: int, denied: str | None, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(yaml.safe_dump(SECTIONS), encoding="utf-8")
    done = CliRunner().invoke(main, ["hub", "values", "--settings", str(file), *words])
    assert done.exit_code == code, done.output
    if code:
        assert "write a network such as" in done.output
        return
    _, *internet = yaml.safe_load(done.output)["singleuser"]["networkPolicy"]["egress"]
    assert [denied in str(rule) for rule in internet] == ([True] if denied else [])


def test_kernels_images_go_to_the_charts_pre_puller() -> None:
    images = ["registry.example:5000/kernel-r:4.4", f"registry.example/kernel@sha256:{'0' * 64}"]
    made = z2jh_values(Settings.model_validate(SECTIONS), "gateway", None, images)["prePuller"]["extraImages"]
    assert [f"{image['name']}:{image['tag']}" for image in made.values()] == images
    assert made["kernel-0"] == {"name": "registry.example:5000/kernel-r", "tag": "4.4"}
    assert "prePuller" not in z2jh_values(Settings.model_validate(SECTIONS), "gateway")


@pytest.mark.parametrize("image", ["lab", "registry.example/lab", "registry.example:5000/lab"])
def test_an_image_without_a_tag_is_refused(image: str) -> None:
    for images in ((image, []), (None, [image])):
        with pytest.raises(SettingsError, match="has no tag"):
            z2jh_values(Settings.model_validate(SECTIONS), "gateway", *images)
