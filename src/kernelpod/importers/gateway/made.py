"""The values of kernelpod's chart while they are made, and what becomes of the old ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from kernelpod.base.merging import merged
from kernelpod.findings.secrets import shown
from kernelpod.findings.sentences import sentences
from kernelpod.findings.yamlfile import Keys
from kernelpod.importers.report import Imported
from kernelpod.settings.sections import Settings

_UNSET: tuple[Any, ...] = (None, "", [], {})
_AMOUNT = r"^[0-9]+(\.[0-9]+)?([munkMGTPE]|[KMGTPE]i)?$"
_Amount = Annotated[
    Annotated[int, Field(strict=True, ge=0)] | Annotated[str, Field(pattern=_AMOUNT)],
    BeforeValidator(lambda given: str(given) if isinstance(given, float) else given),
]


class _Resources(BaseModel):
    """Requests and limits of a container."""

    model_config = ConfigDict(extra="forbid")

    requests: dict[str, _Amount] = Field(default_factory=dict)
    limits: dict[str, _Amount] = Field(default_factory=dict)


# What values of the new chart may be, as its schema says. Both charts write labels as texts.
Kind = Literal["labels", "mapping", "objects", "port", "replicas", "resources"]
_KINDS: dict[Kind, TypeAdapter[Any]] = {
    "labels": TypeAdapter(dict[str, str], config=ConfigDict(coerce_numbers_to_str=True)),
    "mapping": TypeAdapter(dict[str, Any]),
    "objects": TypeAdapter(list[dict[str, Any]]),
    "port": TypeAdapter(Annotated[int, Field(ge=1, le=65535, strict=True)]),
    "replicas": TypeAdapter(Annotated[int, Field(ge=0, le=5, strict=True)]),
    "resources": TypeAdapter(_Resources),
}


@dataclass
class NewGateway:
    """Values of the new chart, and the gateway's settings among them."""

    made: Imported
    values: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    _set_by: dict[str, Keys] = field(default_factory=dict)

    def put(self, keys: Keys, place: str, value: Any, kind: Kind) -> None:
        """Set a value of the chart that was at `keys`, if the chart takes it there."""
        if value in _UNSET:
            self.made.note(keys, "dropped", "nothing is set")
            return
        try:
            checked = _KINDS[kind].validate_python(value)
        except ValidationError as error:
            why = error.errors(include_url=False, include_input=False)[0]["msg"]
            self.made.note(keys, "dropped", f"{place} of the chart does not take it: {why}")
            return
        plain = checked.model_dump(exclude_unset=True) if isinstance(checked, _Resources) else checked
        self.values = merged(self.values, nested(place, plain))
        self._changed(place, keys, f"it is {place} now")

    def set(self, keys: Keys, place: str, value: Any, why: str = "") -> None:
        """Set a setting that was at `keys`, if the settings take it."""
        settings = merged(self.settings, nested(place, value))
        try:
            Settings.model_validate(settings)
        except ValidationError as error:
            self.made.note(keys, "dropped", f"settings.{sentences(error, Settings)[0]}")
            return
        self.settings = settings
        self._changed(f"settings.{place}", keys, f"it is settings.{place} now{_and(why)}")

    def has(self, keys: Keys) -> bool:
        """Return whether what was at `keys` is a value or a setting now."""
        return keys in self._set_by.values()

    def _changed(self, place: str, keys: Keys, why: str) -> None:
        """Say what became of a value, and that an earlier one at its new place does not count."""
        if place in self._set_by:
            self.made.note(self._set_by[place], "dropped", f"{shown(keys)} sets it again")
        self._set_by[place] = keys
        self.made.note(keys, "changed", why)


def nested(place: str, value: Any) -> dict[str, Any]:
    """Return mappings that have a value at a dotted path."""
    for key in reversed(place.split(".")):
        value = {key: value}
    made: dict[str, Any] = value
    return made


def _and(why: str) -> str:
    return f": {why}" if why else ""
