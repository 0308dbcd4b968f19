"""Turns pydantic's errors into sentences that name the key and what to write."""

from __future__ import annotations

import difflib
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one sentence for each mistake."""
    return [said for _, said in located(error, model)]


def located(error: ValidationError, model: type[BaseModel]) -> list[tuple[tuple[str | int, ...], str]]:
    """Return the keys and one sentence for each mistake. A list with invalid items is not also too short."""
    details = error.errors(include_url=False)
    above = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [
        (detail["loc"], sentence(dict(detail), model))
        for detail in details
        if detail["type"] != "too_short" or detail["loc"] not in above
    ]


def sentence(error: dict[str, Any], model: type[BaseModel]) -> str:
    """Return a pydantic error as "key.path: what is wrong, and what to write", without the value."""
    path = tuple(error["loc"])
    key = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        known = known_keys(model, path[:-1])
        near = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
        return f"{key}: unknown key; {hint}"
    unit = next((unit for unit in ("seconds", "bytes") if str(path[-1] if path else "").endswith(f"_{unit}")), "")
    text = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if isinstance(given, str | int | float):
        text = text.replace(repr(given), "this").replace(repr(str(given)), "this")
    return f"{key}: {text}" + (f" (a plain number of {unit})" if unit else "")


def known_keys(model: type[BaseModel], path: tuple[Any, ...]) -> list[str]:
    """Return the keys that the section at `path` may have; empty if there is no section at the path."""
    key_of_mapping = False
    for part in path:
        if isinstance(part, int) or key_of_mapping:
            key_of_mapping = False
            continue
        field = model.model_fields.get(str(part))
        inner = _section(field.annotation) if field else None
        if field is None or inner is None:
            return []
        model, key_of_mapping = inner, get_origin(field.annotation) is dict
    return list(model.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        if found := _section(argument):
            return found
    return None
