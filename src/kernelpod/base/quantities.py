"""Converts Kubernetes resource quantities ("500m", "1.5", "2Gi") to whole millicores and bytes, and back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

_NUMBER = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)([A-Za-z]{0,2})\Z", re.ASCII)
_MEMORY_UNITS = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


def parse_millicores(text: str) -> int:
    """Return CPU in millicores for "2", "0.5" or "500m", rounded up to at least 1.

    Raises ValueError for any other text. Source: Kubernetes, "Resource units".
    """
    match = _NUMBER.match(text)
    if not match or match[2] not in ("", "m") or Decimal(match[1]) == 0:
        raise ValueError(f"{text!r} is not an amount of CPU; write cores (2, 0.5) or millicores (500m)")
    amount = Decimal(match[1]) * (1 if match[2] else 1000)
    return max(1, int(amount.to_integral_value(rounding="ROUND_CEILING")))


def parse_bytes(text: str) -> int:
    """Return memory in bytes for "512Mi", "2G" or "1000000".

    Raises ValueError for any other text. Source: Kubernetes, "Resource units".
    """
    match = _NUMBER.match(text)
    amount = int(Decimal(match[1]) * _MEMORY_UNITS.get(match[2], 0)) if match else 0
    if amount == 0:
        raise ValueError(f"{text!r} is not an amount of memory; write 512Mi, 2Gi or bytes")
    return amount


def format_millicores(millicores: int) -> str:
    """Return the quantity as Kubernetes prints it: in whole cores if possible, else in millicores."""
    return str(millicores // 1000) if millicores % 1000 == 0 else f"{millicores}m"


def format_bytes(amount: int) -> str:
    """Return the quantity with the largest binary unit that divides `amount`."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if amount % _MEMORY_UNITS[unit] == 0:
            return f"{amount // _MEMORY_UNITS[unit]}{unit}"
    return str(amount)


def _quantity(parse: Any, show: Any, example: str) -> GetPydanticSchema:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f"{value!r} is not a quantity; write for example {example}")
        amount: int = parse(str(value))
        return amount

    def schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            read,
            core_schema.int_schema(gt=0),
            serialization=core_schema.plain_serializer_function_ser_schema(
                show, return_schema=core_schema.str_schema()
            ),
        )

    return GetPydanticSchema(
        schema,
        get_pydantic_json_schema=lambda _schema, _handler: {
            "anyOf": [{"type": "string"}, {"type": "number"}],
            "examples": [example],
        },
    )


# An int of millicores, written "500m" or 2 in files.
Millicores = Annotated[int, _quantity(parse_millicores, format_millicores, "500m")]
# An int of bytes, written "2Gi" in files.
Bytes = Annotated[int, _quantity(parse_bytes, format_bytes, "2Gi")]
