"""The language of the chart's templates, as Go has it. The chart's own tests compare the whole chart with Helm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelpod.deploy.withouthelm.chart import oldest_kubernetes, read_values, rendered, with_defaults
from kernelpod.deploy.withouthelm.evaluation import Templates
from kernelpod.deploy.withouthelm.template import Template, TemplateError

ROOT: dict[str, Any] = {"a": {"b": "x", "list": [1, 2], "none": [], "on": True}, "z": {"k2": "v2", "k1": "v1"}}


def text(source: str, root: Any = ROOT) -> str:
    """Return what a template gives."""
    template = Template("t.yaml", source)
    return Templates([template]).evaluate(template, root)


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("a {{ .a.b }} c", "a x c"),
        ("a  {{- .a.b -}}  c", "axc"),
        ("a {{/* no }} word */}} c", "a  c"),
        ("a\n{{- /* gone */ -}}\nc", "ac"),
        ('{{ "}}" }}{{ `{{"` }}', '}}{{"'),
        ("{{ .missing }}.", "."),
        ("{{ true }} {{ 5 }} {{ -10 }}", "true 5 -10"),
        ("{{ if .a.none }}1{{ else if .a.on }}2{{ else }}3{{ end }}", "2"),
        ("{{ if .a.none }}1{{ else if .missing }}2{{ else }}3{{ end }}", "3"),
        ("{{ if not .a.on }}1{{ end }}.", "."),
        ("{{ with .a.list }}{{ len . }}{{ end }}{{ with .a.none }}1{{ else }}{{ .a.b }}{{ end }}", "2x"),
        ("{{ range .a.list }}{{ . }},{{ end }}{{ range .a.none }}1{{ else }}none{{ end }}", "1,2,none"),
        ("{{ range $i, $one := .a.list }}{{ $i }}={{ $one }} {{ end }}", "0=1 1=2 "),
        ("{{ range $key, $value := .z }}{{ $key }}{{ $value }} {{ end }}", "k1v1 k2v2 "),
        ("{{ range $one := .a.list }}{{ $one }}{{ $.a.b }}{{ end }}", "1x2x"),
        ("{{ $v := 1 }}{{ if .a.on }}{{ $v = 2 }}{{ end }}{{ $v }}", "2"),
        ("{{ $v := 1 }}{{ if .a.on }}{{ $v := 2 }}{{ end }}{{ $v }}", "1"),
        ("{{ $v := .a }}{{ $v.b }}{{ (index .a.list 1) }}{{ (dict `k` .a).k.b }}", "x2x"),
        ('{{ define "t" }}<{{ .b }}>{{ end }}{{ include "t" .a | quote }}', '"<x>"'),
        ('{{ define "t" }}{{ $.b }}{{ end }}{{ range .a.list }}{{ include "t" $.a }}{{ end }}', "xx"),
        ("{{ or .missing .a.none .a.b }}{{ and .a.on .a.b }}{{ and .missing .missing.more }}", "xx"),
        ("{{ .missing | default .a.b | printf `%s-%q` `y` }}", 'y-"x"'),
        ("{{ printf `%08b %016b %d%%` 5 3 7 }}", "00000101 0000000000000011 7%"),
        ("{{ ternary `yes` `no` (eq .a.b `y` `x`) }}", "yes"),
        ("{{ `0xff` | int64 }}{{ `12` | int }}{{ `no` | int }}", "255120"),
        ("{{ toJson .a }}", '{"b":"x","list":[1,2],"none":[],"on":true}'),
        ("k: {{- toYaml .z | nindent 2 }}", "k:\n  k1: v1\n  k2: v2"),
        ("{{ toYaml `` }}{{ toJson nil }}", '""null'),
        ("{{ dig `b` `none` .a }}{{ dig `c` `d` `none` .a }}", "xnone"),
        ("{{ toJson (merge (dict `a` 1) (dict `a` 2 `n` nil)) }}", '{"a":1}'),
        ('{{ quote "a\\u007fb\\u0085" }}', '"a\\u007fb\\u0085"'),
        ("{{ toJson (merge (dict `a` 1 `e` ``) (dict `a` 2 `b` 3 `e` 4)) }}", '{"a":1,"b":3,"e":4}'),
        ("{{ `a+b` | replace `+` `_` | trunc 2 | trimSuffix `_` }}", "a"),
        ("{{ until 3 | toJson }}{{ uniq (list 1 2 1) | toJson }}", "[0,1,2][1,2]"),
        ("{{ regexFind `[0-9]+$` (urlParse `https://h:8/x`).host }}", "8"),
    ],
)
def test_what_templates_give(source: str, made: str) -> None:
    assert text(source) == made


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ lookup `v1` }}", "t.yaml: the function lookup is not known"),
        ("{{ .a.b.c }}", "c of 'x', which has no members"),
        ("{{ .missing.more }}", "more of None, which has no members"),
        ("{{ .a.list }}", "cannot be printed"),
        ("{{ include `none` . }}", "the template none cannot be included"),
        ("{{ define `t` }}{{ include `t` . }}{{ end }}{{ include `t` . }}", "the template t cannot be included"),
        ("{{ fail `choose one` }}", "t.yaml: choose one"),
        ("{{ .a.b .a.on }}", "is no function"),
        ("{{ index .a.list 7 }}", "these values cannot be rendered"),
        ("{{ trunc `x` 1 }}", "these values cannot be rendered"),
        ("a\n{{ if .a }}b", "t.yaml: a block without an end"),
        ("a\n{{ end }}", "t.yaml:2: end is not expected here"),
        ("{{ if .a }}{{ else }}{{ else }}{{ end }}", "else is not expected here"),
        ("{{ (.a }}", "a closing parenthesis is missing"),
        ("{{ .a | }}", "a command is missing"),
        ("{{ .a ) }}", "is not expected here"),
        ("{{ a @ b }}", "cannot be read"),
        ("{{ .a ", "cannot be read"),
        ("{{ block `x` . }}{{ end }}", "end is not expected here"),
    ],
)
def test_what_the_chart_does_not_use_is_refused(source: str, said: str) -> None:
    with pytest.raises(TemplateError) as error:
        text(source)
    assert said in error.value.message


def test_values_are_merged_as_helm_merges_them() -> None:
    defaults = {"image": {"tag": "", "name": "x"}, "list": [1, 2], "gone": 1}
    values = {"image": {"tag": "2"}, "list": [3], "gone": None, "new": {"a": None}, "none": None}
    merged = {"image": {"tag": "2", "name": "x"}, "list": [3], "new": {"a": None}, "none": None}
    assert with_defaults(values, defaults) == merged


def test_dates_and_keys_are_texts_as_in_helm() -> None:
    read = read_values("{a: 2026-01-01, on: [1], 5: x, true: {1.5: y}}")
    assert read == {"a": "2026-01-01", "true": {"1.5": "y"}, "5": "x"}
    assert read_values("") == {}


FILES = {
    "Chart.yaml": "name: small\nversion: 1.2.3\nkubeVersion: '>=1.30.0-0'",
    "values.yaml": "replicas: 1\nhook: false",
    "values.schema.json": '{"properties": {"replicas": {"type": "integer"}}, "additionalProperties": true}',
    "templates/_names.tpl": '{{- define "name" -}}{{ .Release.Name }}-{{ .Chart.Name }}{{- end -}}',
    "templates/a.yaml": "kind: Deployment\nmetadata: {name: {{ include `name` . }}}\nn: {{ .Values.replicas }}",
    "templates/b.yaml": "kind: Namespace\nmetadata: {name: {{ .Release.Namespace }}}\n---\n# nothing",
    "templates/c.yaml": """{{ if .Values.hook }}
kind: J
metadata: {name: j, annotations: {helm.sh/hook: x}}{{ end }}""",
}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """Return a chart of a few files."""
    (tmp_path / "templates").mkdir()
    for name, content in FILES.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    return tmp_path


def test_objects_come_in_the_order_in_which_they_can_be_created(chart: Path) -> None:
    space, made = rendered(chart, {"replicas": 2}, "r", "n")
    assert space == {"kind": "Namespace", "metadata": {"name": "n"}}
    assert made == {"kind": "Deployment", "metadata": {"name": "r-small"}, "n": 2}
    assert oldest_kubernetes(chart) == (1, 30)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": "two"}, r"values.replicas must be integer"),
        ({"hook": True}, "Only Helm runs hooks, and the J j is one"),
    ],
)
def test_values_that_do_not_fit_are_refused(chart: Path, values: dict[str, Any], said: str) -> None:
    with pytest.raises(TemplateError, match=said):
        rendered(chart, values, "r", "n")


def test_text_that_is_no_yaml_is_named(chart: Path) -> None:
    (chart / "templates" / "b.yaml").write_text("a: {{ .Values.replicas }}: b", encoding="utf-8")
    with pytest.raises(TemplateError, match=r"templates/b.yaml: the values make no YAML"):
        rendered(chart, {}, "r", "n")
