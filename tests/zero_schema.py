"""The schemas of Zero to JupyterHub's values, which lie beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

VERSIONS = ("3.3.8", "4.0.0", "4.4.0")
SCHEMAS = os.environ.get("KERNELPOD_Z2JH_SCHEMAS", "")


def validate(values: dict[str, Any], version: str) -> None:
    """Fail unless a version of the chart takes these values. Skips the test if the schemas are not named."""
    if not SCHEMAS:
        pytest.skip("set KERNELPOD_Z2JH_SCHEMAS to a folder of values.schema-VERSION.yaml of Zero to JupyterHub")
    schema = yaml.safe_load((Path(SCHEMAS) / f"values.schema-{version}.yaml").read_text(encoding="utf-8"))
    pytest.importorskip("jsonschema").validate(values, _without_required(schema))


def _without_required(schema: Any) -> Any:
    """Return a schema that asks for nothing: the chart's own values hold the rest."""
    if isinstance(schema, dict):
        return {
            # What alternatives ask for tells them apart.
            key: value if key == "oneOf" else _without_required(value)
            for key, value in schema.items()
            if key != "required" or not isinstance(value, list)
        }
    return [_without_required(value) for value in schema] if isinstance(schema, list) else schema
