"""Generates the schema of the chart's values from values.schema.yaml and the settings.

`python charts/generate.py` writes the file; with `--check` it fails if the file is out of date.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import yaml

from kernelpod.cli.settings import settings_schema

CHART = Path(__file__).parent / "kernelpod"


def values_schema() -> str:
    """Return values.schema.json: the hand-written values.schema.yaml with the schema of the settings added.

    It is draft 7, which every Helm 3 supports. values.yaml contains every key, so every key is required: a missing
    key was removed with `null`, and a template would fail on it without a clear message.
    """
    schema = yaml.safe_load((CHART / "values.schema.yaml").read_text(encoding="utf-8"))
    _require_all(schema)
    settings = json.loads(settings_schema().replace("#/$defs/", "#/definitions/"))
    schema["definitions"].update(settings.pop("$defs"))
    del settings["$schema"]
    schema["definitions"]["Settings"] = settings
    return json.dumps(schema, indent=2) + "\n"


def _require_all(section: dict[str, Any]) -> None:
    if "properties" in section:
        section["required"] = [key for key in section["properties"] if key != "global"]
        for inner in section["properties"].values():
            _require_all(inner)


FILES = {"values.schema.json": values_schema}


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a file is out of date.")
def generate(check: bool) -> None:
    """Write the generated files of the chart."""
    stale = []
    for name, make in FILES.items():
        path, text = CHART / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    hint = "out of date; run .venv/bin/python charts/generate.py" if check and stale else "changed"
    click.echo(f"charts/kernelpod: {', '.join(stale) or 'nothing'} {hint}")
    raise SystemExit(1 if check and stale else 0)


if __name__ == "__main__":
    generate()
