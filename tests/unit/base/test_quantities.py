"""Quantities in Kubernetes notation become whole millicores and bytes, and back."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from kernelpod.base.quantities import (
    Bytes,
    Millicores,
    format_bytes,
    format_millicores,
    parse_bytes,
    parse_millicores,
)


@pytest.mark.parametrize(
    ("text", "millicores"),
    [("2", 2000), ("0.5", 500), ("500m", 500), ("0.0001", 1), ("1.5m", 2), ("100", 100_000)],
)
def test_cpu(text: str, millicores: int) -> None:
    assert parse_millicores(text) == millicores


@pytest.mark.parametrize(
    ("text", "amount"),
    [("512Mi", 2**29), ("2G", 2 * 10**9), ("1000000", 10**6), ("1.5Gi", 3 * 2**29), ("1k", 1000), ("2Ti", 2**41)],
)
def test_memory(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


BAD = [
    "",
    " ",
    "-1",
    "+1",
    "0",
    "0.0",
    "1e3",
    "1 Gi",
    "Gi",
    "nan",
    "inf",
    "1\n",
    "1Gib",
    "0x10",
    "\u0661",
    "1,5",
    "9" * 16,
]


@pytest.mark.parametrize("text", [*BAD, "1Mi", "2M"])
def test_what_is_no_amount_of_cpu(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of CPU"):
        parse_millicores(text)


@pytest.mark.parametrize("text", [*BAD, "500m", "1gi", "1MI"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of memory"):
        parse_bytes(text)


def test_less_than_a_byte_is_no_memory() -> None:
    with pytest.raises(ValueError, match="is not an amount of memory"):
        parse_bytes("0.5")


@pytest.mark.parametrize("millicores", [1, 500, 1000, 2500, 4000])
def test_cpu_is_printed_so_that_it_reads_back(millicores: int) -> None:
    assert parse_millicores(format_millicores(millicores)) == millicores


@pytest.mark.parametrize("amount", [1, 1000, 1024, 2**30, 3 * 2**29, 2**40, 2**40 + 1])
def test_memory_is_printed_so_that_it_reads_back(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == amount


def test_the_types_for_models_read_and_write_kubernetes_notation() -> None:
    cpu, memory = TypeAdapter(Millicores), TypeAdapter(Bytes)
    assert cpu.validate_python(2) == 2000
    assert cpu.validate_python("250m") == 250
    assert memory.dump_python(memory.validate_python("2Gi"), mode="json") == "2Gi"
    assert memory.validate_python(0.5e9) == 5 * 10**8


@pytest.mark.parametrize("value", [True, None, [], {}, "lots"])
def test_the_types_refuse_what_is_no_quantity(value: object) -> None:
    with pytest.raises(ValidationError, match="write"):
        TypeAdapter(Bytes).validate_python(value)
