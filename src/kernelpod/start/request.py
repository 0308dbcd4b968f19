"""Parses a client's request for a kernel. Requests are untrusted.

A wish is a `KERNEL_*` variable of the request that the gateway knows; policy decides whether it is granted. Other
variables, such as those that would choose a namespace, image, user id, volume, service account, pod name or kernel
id, are dropped, and their names are kept for the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kernelpod.base.quantities import parse_bytes, parse_millicores
from kernelpod.errors import BadRequest
from kernelpod.start.session import Session, named

MAX_VALUE_LENGTH = 4096
MAX_NAME_LENGTH = 128
_CONTROL_CHARACTERS = frozenset(map(chr, [*range(32), 127]))


@dataclass(frozen=True)
class ResourceWish:
    """Resources that a client asks for, in millicores, bytes and GPUs; None where it asks for nothing."""

    cpu: int | None = None
    cpu_limit: int | None = None
    memory: int | None = None
    memory_limit: int | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class KernelRequest:
    """A client's request for a kernel; `spec` and `profile` come from the name `<spec>.<profile>`."""

    spec: str
    profile: str = ""
    username: str | None = None
    kernel_path: str | None = None
    working_dir: str | None = None
    launch_timeout_seconds: float | None = None
    resources: ResourceWish = field(default_factory=ResourceWish)
    session: Session | None = None
    session_name: str = ""
    """Path of the notebook in the user's server, as Jupyter tells it to kernels; empty: not told."""
    dropped: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The kernelspec's name as the client gave it."""
        return f"{self.spec}.{self.profile}" if self.profile else self.spec


def from_body(body: bytes, default_spec: str) -> KernelRequest:
    """Return the request in the body of a `POST /api/kernels`; an empty body asks for the default kernelspec.

    Raises BadRequest (bad_json, bad_env, value_too_long, bad_wish).
    """
    try:
        model = json.loads(body.decode("utf-8")) if body.strip() else {}
    except (ValueError, RecursionError) as error:
        raise BadRequest("bad_json", "The request body is not JSON in UTF-8.") from error
    if not isinstance(model, dict):
        raise BadRequest("bad_json", 'The request body must be a JSON object such as {"name": "python-pod"}.')
    name = default_spec if model.get("name") in (None, "") else model["name"]
    if not isinstance(name, str) or len(name) > MAX_NAME_LENGTH:
        raise BadRequest(
            "bad_json", f"`name` must be a kernelspec's name of at most {MAX_NAME_LENGTH} characters."
        )
    env = {} if model.get("env") is None else model["env"]
    if not isinstance(env, dict):
        raise BadRequest("bad_env", "`env` must be a JSON object of strings.")
    unknown = sorted(str(key)[:MAX_NAME_LENGTH] for key in model.keys() - {"name", "env", "path"})
    return from_environment(env, name, dropped=unknown)


def from_environment(env: Mapping[str, Any], address: str, *, dropped: list[str] | None = None) -> KernelRequest:
    """Return the request in `KERNEL_*` variables, for the kernelspec with the address `<spec>.<profile>`.

    Raises BadRequest (bad_env, value_too_long, bad_wish).
    """
    known: dict[str, str] = {}
    rest = list(dropped or ())
    for name, value in env.items():
        text = _plain_text(name, value)
        if name in _WISHES:
            known[name] = text
        else:
            rest.append(name[:MAX_NAME_LENGTH])
    spec, _, profile = address.partition(".")
    return KernelRequest(
        spec=spec,
        profile=profile,
        username=known.get("KERNEL_USERNAME"),
        kernel_path=known.get("KERNEL_PATH"),
        working_dir=known.get("KERNEL_WORKING_DIR"),
        launch_timeout_seconds=_wish(known, "KERNEL_LAUNCH_TIMEOUT", _seconds),
        resources=ResourceWish(
            cpu=_wish(known, "KERNEL_CPUS", parse_millicores),
            cpu_limit=_wish(known, "KERNEL_CPUS_LIMIT", parse_millicores),
            memory=_wish(known, "KERNEL_MEMORY", parse_bytes),
            memory_limit=_wish(known, "KERNEL_MEMORY_LIMIT", parse_bytes),
            gpus=_most(_wish(known, "KERNEL_GPUS", _gpus), _wish(known, "KERNEL_GPUS_LIMIT", _gpus)),
        ),
        session_name=known.get("JPY_SESSION_NAME", ""),
        session=named(known.get("KERNEL_SESSION_PATH", ""), known.get("KERNEL_SESSION_TYPE", "")),
        dropped=tuple(sorted(rest)),
    )


_WISHES = frozenset(
    {
        "KERNEL_USERNAME",
        "KERNEL_PATH",
        "KERNEL_WORKING_DIR",
        "KERNEL_LAUNCH_TIMEOUT",
        "KERNEL_CPUS",
        "KERNEL_CPUS_LIMIT",
        "KERNEL_MEMORY",
        "KERNEL_MEMORY_LIMIT",
        "KERNEL_GPUS",
        "KERNEL_GPUS_LIMIT",
        "JPY_SESSION_NAME",
        "KERNEL_SESSION_PATH",
        "KERNEL_SESSION_TYPE",
    }
)


def _plain_text(name: str, value: Any) -> str:
    shown = ascii(name[:64])
    if not isinstance(value, str):
        raise BadRequest("bad_env", f"`env` {shown}: the value must be a string.")
    if len(value) > MAX_VALUE_LENGTH:
        raise BadRequest(
            "value_too_long",
            f"`env` {shown}: {len(value)} characters; at most {MAX_VALUE_LENGTH} are allowed.",
        )
    for text in (name, value):
        if not _CONTROL_CHARACTERS.isdisjoint(text):
            raise BadRequest("bad_env", f"`env` {shown} holds a control character such as NUL or a newline.")
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise BadRequest("bad_env", f"`env` {shown} is not valid UTF-8.") from error
    return value


def _wish(env: Mapping[str, str], name: str, parse: Any) -> Any:
    text = env.get(name, "")
    if not text:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise BadRequest("bad_wish", f"{name}: {error}.") from error


def _gpus(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3:
        raise ValueError(f"{text[:32]!r} is not a whole number of GPUs")
    return int(text)


def _most(*wishes: int | None) -> int | None:
    """Return the larger wish, because Kubernetes requires that request and limit of GPUs are equal."""
    return max((wish for wish in wishes if wish is not None), default=None)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise ValueError(f"{text[:32]!r} is not a number of seconds") from error
    if not math.isfinite(seconds) or seconds <= 0:
        raise ValueError(f"{text[:32]!r} is not a number of seconds above 0")
    return seconds
