"""The file of the chart that repeats the code: the schema of its values.

`python charts/generate.py` writes them, `--check` fails when one is not what the code says.
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
    """Return values.schema.json: the hand-written values.schema.yaml, completed by the schema of the settings.

    It is draft 7, which every Helm 3 knows. Sections are whole in values.yaml, so each key is required: what is
    missing there was removed with `null`, and a template would fail on it without a sentence.
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
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is stale.")
def generate(check: bool) -> None:
    """Write the generated files of the chart."""
    stale = []
    for name, make in FILES.items():
        path, text = CHART / name, make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    hint = "stale; run .venv/bin/python charts/generate.py" if check and stale else "changed"
    click.echo(f"charts/kernelpod: {', '.join(stale) or 'nothing'} {hint}")
    raise SystemExit(1 if check and stale else 0)


if __name__ == "__main__":
    generate()
