"""Renders a chart as `helm template` does, for charts whose templates use what `template` and `functions` know."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import fastjsonschema
import yaml

from kernelpod.deploy.withouthelm.evaluation import Templates
from kernelpod.deploy.withouthelm.template import Template, TemplateError

# Written instead of "Helm" into the labels of objects.
SERVICE = "kernelpod-deploy"
_HOOK = "helm.sh/hook"
# What an object must have before the others can be created. Workloads come last.
_ORDER = ("Namespace", "ServiceAccount", "Secret", "ConfigMap")
_LAST = ("DaemonSet", "Deployment")


def rendered(
    chart: Path, values: dict[str, Any], release: str, namespace: str, service: str = SERVICE
) -> list[dict[str, Any]]:
    """Return the objects of a release of a chart with these values, in the order in which they can be created.

    Raises TemplateError if the chart refuses the values, with its words, or if it needs Helm for them.
    """
    described, defaults = _read(chart / "Chart.yaml"), _read(chart / "values.yaml")
    whole = with_defaults(values, defaults)
    _check(chart, whole)
    root = {
        "Values": whole,
        "Chart": {name[0].upper() + name[1:]: value for name, value in described.items()},
        "Release": {"Name": release, "Namespace": namespace, "Service": service},
    }
    files = sorted(chart.glob("templates/**/*.tpl")) + sorted(chart.glob("templates/**/*.yaml"))
    read = [Template(str(file.relative_to(chart)), file.read_text(encoding="utf-8")) for file in files]
    templates, made = Templates(read), []
    for template in read:
        if template.name.endswith(".yaml"):
            text = templates.evaluate(template, root)
            made += [found for found in _documents(template.name, text) if found]
    if hook := next((one for one in made if _HOOK in one["metadata"].get("annotations", {})), None):
        name = f"{hook['kind']} {hook['metadata']['name']}"
        raise TemplateError(f"Only Helm runs hooks, and the {name} is one: switch it off in the chart's values.")
    return sorted(made, key=_place)


def oldest_kubernetes(chart: Path) -> tuple[int, int]:
    """Return the version of Kubernetes, major and minor, from which on the chart works."""
    major, minor = re.findall(r"\d+", _read(chart / "Chart.yaml")["kubeVersion"])[:2]
    return int(major), int(minor)


class _Loader(yaml.SafeLoader):
    """Reads YAML as Go does: dates are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute
        first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_values(text: str) -> dict[str, Any]:
    """Return values as Helm reads them: dates are texts, and so are all keys."""
    return _with_text_keys(yaml.load(text, _Loader)) or {}  # noqa: S506 - it is a SafeLoader


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(one) for key, one in value.items()}
    return [_with_text_keys(one) for one in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def _read(file: Path) -> dict[str, Any]:
    return read_values(file.read_text(encoding="utf-8"))


def _check(chart: Path, values: dict[str, Any]) -> None:
    """Check the values by the chart's schema, as Helm does."""
    try:
        _check_of((chart / "values.schema.json").read_text(encoding="utf-8"))(values)
    except fastjsonschema.JsonSchemaValueException as error:
        said = error.message.replace("data", "values", 1)
        raise TemplateError(f"The chart's values do not fit: {said}. docs/chart.md has all of them.") from error


@lru_cache(1)
def _check_of(schema: str) -> Callable[[Any], Any]:
    """Return a function that checks values by a schema; to make it takes longer than all the rest."""
    made: Callable[[Any], Any] = fastjsonschema.compile(json.loads(schema), use_default=False)
    return made


def with_defaults(values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the values over the defaults, as Helm merges them: objects by member, and null removes a default."""
    made = dict(defaults)
    for key, value in values.items():
        if value is None and key in defaults:
            made.pop(key)
        elif isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = with_defaults(value, made[key])
        else:
            made[key] = value
    return made


def _documents(name: str, text: str) -> list[Any]:
    try:
        return list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        raise TemplateError(f"{name}: the values make no YAML: {error}") from error


def _place(made: dict[str, Any]) -> int:
    kind = made["kind"]
    if kind in _ORDER:
        return _ORDER.index(kind)
    return len(_ORDER) + (kind in _LAST)
