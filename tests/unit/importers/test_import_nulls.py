"""Manifests and files whose values are null or empty: they give no values, as Helm and Argo CD read them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from old_hubs import unsaid

from kernelpod.importers.gateway.values import GATEWAY_CHART
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.helm.nests import nests_in
from kernelpod.importers.hub.layout import guessed
from kernelpod.importers.hub.values import imported_values
from kernelpod.importers.report import ImportingError

HUB = {"hub": {"config": {"Authenticator": {"allow_all": True}}}, "singleuser": {"storage": {"type": "none"}}}
OBJECT, TEXT = json.dumps(HUB), json.dumps(json.dumps(HUB))
APPLICATION = "apiVersion: argoproj.io/v1alpha1\nkind: Application\n"
ARGO = APPLICATION + "spec: {source: {chart: jupyterhub, targetRevision: 3.3.7%s}}\n"
SOURCES = APPLICATION + "spec: {sources: [%s]}\n"
SET = APPLICATION.replace("tion\n", "tionSet\n") + "spec: {template: {spec: {source: {chart: jupyterhub%s}}}}\n"
FLUX = "apiVersion: a/v2\nkind: HelmRelease\nspec: {chart: {spec: {chart: jupyterhub, version: 3.3.7}}%s}\n"
K3S = "apiVersion: a/v1\nkind: HelmChart\nspec: {chart: https://a.example/jupyterhub, version: 3.3.7%s}\n"
KUSTOMIZE = "helmCharts: [{name: jupyterhub, version: 3.3.7%s}]\n"
THIS = "{chart: jupyterhub, targetRevision: 3.3.7, helm: {valuesObject: null}}"
EMPTY = [
    ARGO % "",
    ARGO % ", helm: null",
    ARGO % ", helm: {}",
    ARGO % ", helm: {valuesObject: null}",
    ARGO % ", helm: {valuesObject: {}}",
    ARGO % ", helm: {valuesObject: null, values: null}",
    ARGO % ", helm: {values: ''}",
    ARGO % ", helm: {values: 'null'}",
    ARGO % ", helm: {values: '# none'}",
    ARGO % f", helm: {{valuesObject: {{}}, values: {TEXT}}}",
    ARGO % ", helm: {valueFiles: [], parameters: null}",
    SOURCES % THIS,
    SOURCES % f"{{chart: db, helm: {{valuesObject: {{a: 1}}}}}}, {THIS}",
    SET % ", targetRevision: 3.3.7, helm: {valuesObject: null}",
    FLUX % "",
    FLUX % ", values: null",
    FLUX % ", values: {}",
    FLUX % ", values: null, valuesFrom: []",
    K3S % "",
    K3S % ", valuesContent: null",
    K3S % ", valuesContent: ''",
    K3S % ", valuesContent: null, values: null, set: {}",
    KUSTOMIZE % "",
    KUSTOMIZE % ", valuesInline: null",
]


@pytest.mark.parametrize("text", EMPTY)
def test_a_manifest_of_the_chart_without_values_is_the_chart_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "more.yaml").write_text(OBJECT, encoding="utf-8")
    assert guessed(tmp_path / "old.yaml") == "z2jh-values"
    given = helm_values([tmp_path / "old.yaml"])
    assert (given.tree.data, given.version) == ({}, "3.3.7")
    assert unsaid(imported_values(given)) == []
    given = helm_values([tmp_path / "old.yaml", tmp_path / "more.yaml"])
    assert (given.tree.data, given.version) == (HUB, "3.3.7")


GIVEN = [
    (ARGO % f", helm: {{valuesObject: null, values: {TEXT}}}", "spec.source.helm.valuesObject"),
    (ARGO % f", helm: {{valuesObject: {OBJECT}, values: null}}", "spec.source.helm.values"),
    (ARGO % f", helm: {{valuesObject: {OBJECT}, valueFiles: []}}", "spec.source.helm.valueFiles"),
    (SET % f", targetRevision: 3.3.7, helm: {{valuesObject: null, values: {TEXT}}}", "valuesObject"),
    (FLUX % f", values: {OBJECT}, valuesFrom: null", "spec.valuesFrom"),
    (K3S % f", valuesContent: null, values: {OBJECT}", "spec.valuesContent"),
    (K3S % f", valuesContent: {TEXT}, values: null", "spec.values"),
]


@pytest.mark.parametrize(("text", "key"), GIVEN)
def test_what_is_null_beside_values_is_told_as_nothing(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    given = helm_values([tmp_path / "old.yaml"])
    assert (given.tree.data, given.version) == (HUB, "3.3.7")
    found = {note.key: (note.change, note.why) for note in imported_values(given).fates()}
    [fate] = [said for name, said in found.items() if name.endswith(key)]
    assert fate == ("dropped", "it is empty: it gives no values")


REFUSED = [
    # What gives the values is elsewhere, and the chart's defaults may be other homes.
    ARGO % ", helm: {valuesObject: null, parameters: [{name: a, value: b}]}",
    ARGO % ", helm: {valueFiles: [prod.yaml]}",
    FLUX % ", valuesFrom: [{kind: Secret, name: a}]",
    K3S % ", set: {a: b}",
    KUSTOMIZE % ", valuesFile: prod.yaml",
    (ARGO % ", helm: null").replace("jupyterhub", "postgresql"),
    ARGO % ", helm: {valuesObject: [a]}",
    ARGO % ", helm: {valuesObject: 3}",
    ARGO % ", helm: {values: '- a'}",
    FLUX % ", values: {foo: 1}",
    FLUX.replace("jupyterhub", "campus") % ", values: {jupyterhub: null}",
    SOURCES % "null",
    SOURCES % "",
    APPLICATION + "spec: null\n",
    APPLICATION + "spec: {source: {chart: {a: b}}}\n",
    "apiVersion: a/v2\nkind: HelmRelease\nspec: {chart: jupyterhub, values: null}\n",
    "helmCharts: null\n",
    "helmCharts: [null]\n",
    "apiVersion: v1\nkind: ConfigMap\ndata: null\n",
    "apiVersion: v1\nkind: Secret\nstringData: {values.yaml: null}\n",
    "null\n",
    "# nothing\n",
    "",
    "- a\n",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_may_not_be_the_chart_as_it_is_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ImportingError, match="no section of the chart"):
        helm_values([tmp_path / "old.yaml"])
    with pytest.raises(ImportingError, match="set it with --from"):
        guessed(tmp_path / "old.yaml")


@pytest.mark.parametrize("text", ["null\n", "# nothing\n", "", "{}\n", "---\n---\n"])
def test_an_empty_file_beside_others_gives_no_values(tmp_path: Path, text: str) -> None:
    (tmp_path / "old.yaml").write_text(OBJECT, encoding="utf-8")
    (tmp_path / "prod.yaml").write_text(text, encoding="utf-8")
    assert helm_values([tmp_path / "old.yaml", tmp_path / "prod.yaml"]).tree.data == HUB
    assert helm_values([tmp_path / "prod.yaml", tmp_path / "old.yaml"]).tree.data == HUB


def test_a_gateway_without_values(tmp_path: Path) -> None:
    text = (ARGO % ", helm: null").replace("jupyterhub", "enterprise-gateway")
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    assert [nest.version for nest in nests_in(tmp_path / "old.yaml", GATEWAY_CHART)] == ["3.3.7"]
    assert guessed(tmp_path / "old.yaml") == "eg-values"
