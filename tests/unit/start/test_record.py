"""A kernel's record: written once, read by any gateway that can, and otherwise left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from doubles import a_plan, an_identity
from kernelpod.errors import RecordError
from kernelpod.start import record as record_module
from kernelpod.start.record import VERSION, KernelRecord, read
from kernelpod.start.session import Session


@pytest.fixture
def stored() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(KernelRecord(plan=a_plan()).to_json())
    return made


def test_a_record_reads_back_as_it_was() -> None:
    record = KernelRecord(plan=a_plan(identity=an_identity("jürgen \u2028 $(X) {{ }} \x85")))
    assert read(record.to_json()) == record
    assert "\n" not in record.to_json()
    assert record.owner.name.startswith("jürgen")


def test_a_record_keeps_what_its_kernel_is_for_and_says_nothing_of_none() -> None:
    record = KernelRecord(plan=a_plan(), session=Session(path="\u2028 {{ }}.ipynb", type="notebook"))
    assert read(record.to_json()) == record
    assert "session" not in json.loads(KernelRecord(plan=a_plan()).to_json())


@pytest.mark.parametrize("version", [VERSION + 1, 99, -1, "1", None, 1.5, [1], {}])
def test_another_version_is_refused_and_named(stored: dict[str, Any], version: Any) -> None:
    with pytest.raises(RecordError, match="version"):
        read(json.dumps({**stored, "version": version}))


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "1", "{}", '"x"', "[" * 100_000])
def test_what_is_no_record_is_refused(text: str) -> None:
    with pytest.raises(RecordError, match="not JSON with a version"):
        read(text)


def test_a_damaged_record_is_refused_with_the_places_and_no_values(stored: dict[str, Any]) -> None:
    stored["plan"]["uid"] = "hunter2"
    del stored["plan"]["image"]
    stored["stranger"] = 1
    with pytest.raises(RecordError) as caught:
        read(json.dumps(stored))
    assert caught.value.message.endswith("does not fit version 1: plan.image, plan.uid, stranger")


def test_the_version_before_is_readable(stored: dict[str, Any]) -> None:
    before = {**stored, "version": 0}
    before["plan"] = {key: value for key, value in stored["plan"].items() if key != "transport"}

    def upgrade(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "version": VERSION, "plan": {**data["plan"], "transport": "tcp"}}

    assert read(json.dumps(before), {0: upgrade}).plan.transport == "tcp"
    with pytest.raises(RecordError, match="version 0"):
        read(json.dumps(before))


def test_a_bad_upgrade_is_a_damaged_record(stored: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="does not fit"):
        read(json.dumps({**stored, "version": 0}), {0: lambda data: {**data, "plan": {}}})


def test_a_record_holds_no_key() -> None:
    assert "key" not in json.loads(KernelRecord(plan=a_plan()).to_json())["plan"]
    assert set(record_module.UPGRADES) <= {VERSION - 1}
