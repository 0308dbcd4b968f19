"""Where the hub's values are in files, and which of several files counts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernelpod.importers.helm.files import HelmValues, helm_values
from kernelpod.importers.hub.layout import guessed
from kernelpod.importers.hub.values import imported_values
from kernelpod.importers.report import ImportingError

HUB = "hub: {config: {Authenticator: {allow_all: true}}}\nsingleuser: {defaultUrl: /lab}\n"
DATA = {"hub": {"config": {"Authenticator": {"allow_all": True}}}, "singleuser": {"defaultUrl": "/lab"}}


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def read(folder: Path, *texts: str, **options: Any) -> HelmValues:
    files = [folder / f"{number}.yaml" for number, _ in enumerate(texts)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    return helm_values(files, **options)


CRD = "apiVersion: x/v1\nkind: {}\nmetadata: {{name: hub}}\n"
NESTS = {
    "by itself": (HUB, ""),
    "beside others": (f"rbac: {{enabled: true}}\njupyterhub:\n{indented(HUB, 2)}", ""),
    "two levels": (f"basehub:\n  jupyterhub:\n{indented(HUB, 4)}", ""),
    "called hub": (f"hub:\n{indented(HUB, 2)}", ""),
    "Flux": (
        f"{CRD.format('HelmRelease')}spec:\n  chart: {{spec: {{version: 3.3.7}}}}\n  values:\n{indented(HUB, 4)}",
        "3.3.7",
    ),
    "Flux and nested": (f"{CRD.format('HelmRelease')}spec:\n  values:\n    jhub:\n{indented(HUB, 6)}", ""),
    "Argo": (
        f"{CRD.format('Application')}spec:\n  source:\n    chart: jupyterhub\n    targetRevision: 4.1.0\n"
        + "    helm:\n      values: |\n"
        + indented(HUB, 8),
        "4.1.0",
    ),
    "Argo of several sources": (
        f"{CRD.format('Application')}spec:\n  sources:\n    - helm:\n        valuesObject:\n{indented(HUB, 10)}",
        "",
    ),
    "K3s": (f"{CRD.format('HelmChart')}spec:\n  version: '4'\n  valuesContent: |-\n{indented(HUB, 4)}", "4"),
    "kustomize": (
        f"helmCharts:\n  - name: jupyterhub\n    version: 4.0.0\n    valuesInline:\n{indented(HUB, 6)}",
        "4.0.0",
    ),
    "a ConfigMap": (f"{CRD.format('ConfigMap')}data:\n  values.yaml: |\n{indented(HUB, 4)}  other.txt: a\n", ""),
    "behind another document": (
        f"{CRD.format('Namespace')}---\n{CRD.format('HelmRelease')}spec:\n  values:\n{indented(HUB, 4)}",
        "",
    ),
    "JSON": (json.dumps({"USER-SUPPLIED VALUES": None, **DATA}), ""),
}


@pytest.mark.parametrize("name", NESTS)
def test_the_hub_is_found(tmp_path: Path, name: str) -> None:
    text, version = NESTS[name]
    found = read(tmp_path, text)
    assert {key: found.tree.data[key] for key in DATA} == DATA
    assert found.version == version
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "defaultUrl" in line)
    assert found.tree.spot(("singleuser", "defaultUrl")).place.line == line


def test_what_is_around_the_hub_is_told(tmp_path: Path) -> None:
    found = read(tmp_path, NESTS["beside others"][0], NESTS["two levels"][0])
    assert [(one.key, one.by) for one in found.others if one.by is None] == [("rbac.enabled", None)]


def test_a_later_file_wins_and_the_earlier_value_is_told(tmp_path: Path) -> None:
    first = "hub: {config: {A: {x: [1, 2], b: 1}}, extraEnv: {a: b}}"
    second = "hub: {config: {A: {x: [3]}, B: {z: 1}}, extraEnv: null}"
    found = read(tmp_path, first, second, settings=("hub.config.A.b=2", r"singleuser.extraEnv.a\.b=t"))
    assert found.tree.data == {
        "hub": {"config": {"A": {"x": [3], "b": 2}, "B": {"z": 1}}, "extraEnv": None},
        "singleuser": {"extraEnv": {"a.b": "t"}},
    }
    assert [one.key for one in found.others] == [
        "hub.config.A.x.0",
        "hub.config.A.x.1",
        "hub.extraEnv.a",
        "hub.config.A.b",
    ]
    assert found.tree.spot(("hub", "config", "A", "x", 0)).file.name == "1.yaml"
    assert found.tree.spot(("hub", "config", "A", "b")).file.name == "--set"


APPLICATION = f"{CRD.format('Application')}spec:\n"
OLD = "singleuser: {defaultUrl: /old}"
PRECEDENCE = {
    "an object before a text": (
        f"{APPLICATION}  source:\n    helm:\n      values: '{OLD}'\n      valuesObject:\n{indented(HUB, 8)}",
        {"spec.source.helm.values": 8},
    ),
    "null is no object": (
        f"{APPLICATION}  source:\n    helm:\n      valuesObject: null\n      values: |\n{indented(HUB, 8)}",
        {},
    ),
    "several sources before one": (
        f"{APPLICATION}  source: {{helm: {{values: '{OLD}'}}}}\n  sources:\n    - helm:\n        valuesObject:\n"
        + indented(HUB, 10),
        {"spec.source.helm.values": 6},
    ),
    "no sources are none": (
        f"{APPLICATION}  sources: []\n  source:\n    helm:\n      values: |\n{indented(HUB, 8)}",
        {},
    ),
}


@pytest.mark.parametrize("name", PRECEDENCE)
def test_of_values_in_an_application_those_count_that_argo_reads(tmp_path: Path, name: str) -> None:
    text, expected = PRECEDENCE[name]
    found = read(tmp_path, text)
    assert found.tree.data == DATA
    assert {one.key: one.by.place.line for one in found.others if one.by} == expected


@pytest.mark.parametrize(
    "before",
    [
        "- {repoURL: a, targetRevision: main, ref: values}",
        "- {chart: redis, targetRevision: 1.2.3, helm: {valuesObject: {auth: {enabled: true}}}}",
    ],
)
def test_the_version_is_that_of_the_source_with_the_values(tmp_path: Path, before: str) -> None:
    hub = "    - chart: jupyterhub\n      targetRevision: 4.1.0\n      helm:\n        valuesObject:\n"
    hub += indented(HUB, 10)
    found = read(tmp_path, f"{APPLICATION}  sources:\n    {before}\n{hub}", at="spec.sources.1.helm.valuesObject")
    assert (found.tree.data, found.version) == (DATA, "4.1.0")


def test_a_revision_of_git_is_no_version_of_the_chart(tmp_path: Path) -> None:
    source = "  source:\n    path: charts/hub\n    targetRevision: v2.0.0\n    helm:\n      valuesObject:\n"
    assert read(tmp_path, APPLICATION + source + indented(HUB, 8)).version == ""


def test_two_hubs_are_a_choice(tmp_path: Path) -> None:
    text = f"staging:\n{indented(HUB, 2)}prod:\n{indented(HUB, 2)}"
    with pytest.raises(ImportingError, match="several hubs, at staging, prod; choose one with --at"):
        read(tmp_path, text)
    assert read(tmp_path, text, at="prod").tree.data == DATA
    with pytest.raises(ImportingError, match="no section of the chart at test"):
        read(tmp_path, text, at="test")


@pytest.mark.parametrize("setting", ["a", "=b", "a={1,2}", "a[0]=b", "a=b,c=hunter2", "", "a=hunter2\\="])
def test_a_setting_is_one_value(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ImportingError, match="write KEY=VALUE with one value") as raised:
        read(tmp_path, HUB, settings=(setting,))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hub: {config: {{ .Values.config }}}", "looks like a template: render it first"),
        (f"{CRD.format('Secret')}data:\n  values.yaml: aHViOiB7fQ==\n", "has no section of the chart"),
    ],
)
def test_what_must_be_made_plain_first_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ImportingError, match=said):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("apiVersion: v1\nkind: Secret\ndata: {values.yaml: aHViOiB7fQ==}\n", "its values are in base64"),
        ("apiVersion: v2\nname: hub\ndependencies: []\n", "this is a chart; import the values"),
        ('{"argv": ["a"], "display_name": "A", "language": "a"}', "use `kernelpod specs import`"),
        ("colour: blue\n", "set it with --from"),
        ("hub: {}\nserver: {}\n", "set it with --from"),
        ("a: b\n---\n- c\n", "set it with --from"),
    ],
)
def test_a_file_without_values_says_what_to_import(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ImportingError, match=re.escape(said)):
        guessed(tmp_path / "old.yaml")


@pytest.mark.parametrize("change", [lambda raw: b"\xef\xbb\xbf" + raw, lambda raw: raw.replace(b"\n", b"\r\n")])
def test_marks_of_other_editors_are_read(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    (tmp_path / "old.yaml").write_bytes(change(HUB.encode()))
    assert helm_values([tmp_path / "old.yaml"]).tree.data == DATA


MORE = [
    ("HelmRelease", "values", "valuesFrom: [{kind: Secret, name: more}]", "spec.valuesFrom.0.name"),
    ("HelmChart", "values", "set: {hub.config.A.b: '1'}", "spec.set.hub.config.A.b"),
    ("Application", "source: {helm: {valuesObject", "", "spec.source.helm.parameters.0.value"),
]


@pytest.mark.parametrize(("kind", "place", "more", "key"), MORE)
def test_values_that_a_manifest_gives_otherwise_are_told_as_the_hubs(
    tmp_path: Path, kind: str, place: str, more: str, key: str
) -> None:
    ends = ", parameters: [{name: hub.config.A.b, value: x}]}}" if "{" in place else ""
    hub = "{singleuser: {storage: {type: none}}}"
    file = tmp_path / "m.yaml"
    file.write_text(f"{CRD.format(kind)}spec:\n  {place}: {hub}{ends}\n  {more}\n", encoding="utf-8")
    said = {note.key: (note.change, note.why) for note in imported_values(helm_values([file])).fates()}
    assert said[key][0] == "left"
    assert "more values" in said[key][1]
    assert "more values" not in said["metadata.name"][1]


def test_documents_beside_the_hubs_are_told(tmp_path: Path) -> None:
    found = read(tmp_path, f"{CRD.format('Namespace')}---\n{HUB}---\n{CRD.format('Other')}")
    assert [one.key for one in found.others] == ["apiVersion", "kind", "metadata.name"] * 2
    assert len({one.spot for one in found.others}) == 6


def test_a_newer_hub_of_courses_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("course_config_dir: a\nroles: {}\n", encoding="utf-8")
    with pytest.raises(ImportingError, match=r"the newer e2x course hub .* write a courses file"):
        guessed(tmp_path / "config.yaml")


def test_an_application_set_has_the_values_of_its_template(tmp_path: Path) -> None:
    source = "{chart: jupyterhub, targetRevision: 3.3.7, helm: {values: %s}}"
    text = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nspec: {template: {spec: {source: %s}}}\n"
    (tmp_path / "old.yaml").write_text(text % source % json.dumps(HUB), encoding="utf-8")
    given = helm_values([tmp_path / "old.yaml"])
    assert (given.tree.data, given.version, guessed(tmp_path / "old.yaml")) == (DATA, "3.3.7", "z2jh-values")
    (tmp_path / "old.yaml").write_text(text % source % json.dumps(HUB + "x: '{{a}}'"), encoding="utf-8")
    for read_it in (guessed, lambda file: helm_values([file])):
        with pytest.raises(ImportingError, match="argocd appset generate"):
            read_it(tmp_path / "old.yaml")
