"""The audit log: one line of JSON for each start, stop, denial, takeover, login, and change of rights.

The form is stable: docs/audit.md explains it, docs/audit.schema.json is made from `AuditLine`. Texts of users are
cut, and everything but ASCII is escaped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from kernelpod.errors import SettingsError
from kernelpod.start.identity import Owner
from kernelpod.start.record import KernelRecord

log = logging.getLogger(__name__)

MOST_CHARACTERS = 255
# Denials of one party that are written within a minute; who asks without end fills no disk.
MOST_DENIALS = 60
MINUTE = 60
COMPLAINT_SECONDS = 60
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

Action = Literal[
    "start", "stop", "restart", "interrupt", "connect", "read", "die", "takeover", "adopt", "withdraw", "revoke",
    "login", "server_start", "server_stop", "token_new", "token_end", "user_change", "group_change",
    "share_change", "hub_stop",
]  # fmt: skip
Outcome = Literal["done", "denied", "failed"]


def _cut(text: object) -> object:
    """Return text of bounded length that is valid Unicode."""
    return text[:MOST_CHARACTERS].encode("utf-8", "replace").decode() if isinstance(text, str) else text


Text = Annotated[
    str, BeforeValidator(_cut), WithJsonSchema({"type": "string", "maxLength": MOST_CHARACTERS})
]  # fmt: skip


class Party(BaseModel):
    """A user or a service of a hub, or the gateway itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    hub: Text
    """Name of the hub in the gateway's settings; empty for the gateway."""
    kind: Literal["user", "service", "gateway"]
    name: Text
    """Name in the hub; empty for the gateway."""

    @classmethod
    def of(cls, owner: Owner) -> Party:
        """Return the owner of kernels as a party."""
        return cls.model_validate({"hub": owner.hub, "kind": owner.kind, "name": owner.name})


GATEWAY = Party(hub="", kind="gateway", name="")


@dataclass(frozen=True)
class Actor:
    """Who acts, and from which address. Nobody is known by a token that the hub does not know."""

    who: Party | None = GATEWAY
    address: str | None = None


ITSELF = Actor()


@dataclass(frozen=True)
class About:
    """What a line is about, as far as it is known."""

    owner: Owner | None = None
    kernel_id: str | None = None
    kernelspec: str | None = None
    what: str | None = None

    @classmethod
    def kernel(cls, record: KernelRecord) -> About:
        """Return a kernel, of which its record says everything."""
        plan = record.plan
        return cls(plan.owner, plan.kernel_id, plan.address)


class AuditLine(BaseModel):
    """One line of the audit log. Every line has all keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True, title="AuditLine"
    )

    form: Literal[1] = Field(alias="schema")
    """Version of this form. Keys are never removed or given another meaning without a new version."""
    time: AwareDatetime
    """When it happened, in UTC."""
    action: Action
    """What was asked for or happened. `connect` opens a kernel's websocket, `read` is any other page; they and
    `interrupt` are written only if they are denied or an admin's. `die`: a kernel ended from outside.
    `takeover`: a gateway has started; it writes `adopt` for each kernel that it found. `withdraw`: a websocket
    was closed because its user lost the right to it. `revoke`: an admin ended all that a user has here; there is
    a `stop` for each kernel. What follows `revoke` in this list is done at a hub, and written by the hub: a change
    by the API or a page. `server_start` and `server_stop` are what was asked for."""
    outcome: Outcome
    """`denied`: the request was refused, nothing happened. `failed`: it was allowed but did not work."""
    code: str = Field(pattern="^[a-z_]{1,40}$")
    """`ok`, a code of errors.md, or why the gateway acted: `idle`, `server_gone`, `gateway_stopped`, `revoked`.
    `aborted`: the client of a start hung up. `unfinished`: something of a revoked user still ends. Of a hub:
    `not_logged_in`, `forbidden`, `not_found`, `refused`, `hub_error`."""
    who: Party | None
    """Who acted; for `withdraw`, who lost the right. Null if the caller could not be authenticated."""
    address: Text | None
    """Address that the request came from, as the gateway sees it: of a user's server, pod or proxy. Null if the
    gateway acted by itself."""
    admin: bool
    """Whether somebody acted, or tried to, on what is not theirs; if it is `done`, as an admin."""
    owner: Party | None
    """Owner of the kernel, the user who is revoked, or whose server, token or right is changed; null if there is
    none, or the kernel asked for does not exist. Of a login that failed: the name that was tried."""
    kernel_id: Text | None
    """Id of the kernel."""
    kernelspec: Text | None
    """The kernelspec, with its profile, as `<kernelspec>.<profile>`."""
    what: Text | None
    """At a hub: the server's name, the group, the token's id, or what of a user is changed."""
    kernels: int | None = Field(ge=0)
    """For `takeover`: how many kernels were found. For `revoke`: how many ended, without prewarmed ones."""
    left_out: int = Field(ge=0)
    """How many denials of the same `who` were not written before this one: of a minute, the first 60 are, and the
    last one when it is over. Those without a valid token count together."""

    def to_json(self) -> str:
        """Return the line, without its end."""
        return json.dumps(self.model_dump(mode="json", by_alias=True))


class Denials:
    """Chooses the denials that are written: of each party and minute the first ones, and the last at its end."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` returns seconds."""
        self._now, self._minute = now, 0
        self._written: Counter[Party | None] = Counter()
        self._held: dict[Party | None, tuple[AuditLine, int]] = {}

    def writes(self, denial: AuditLine) -> bool:
        """Return whether a denial is written at once. If not, `ended` may return it later."""
        who = denial.who
        if self._written[who] < MOST_DENIALS:
            self._written[who] += 1
            return True
        _, before = self._held.get(who, (None, -1))
        self._held[who] = denial, before + 1
        return False

    def ended(self, *, at_once: bool = False) -> list[AuditLine]:
        """Return each party's last denial of a minute that is over, which says how many before it are left out.

        With `at_once`, the minute is over now.
        """
        if (minute := int(self._now() // MINUTE)) == self._minute and not at_once:
            return []
        self._minute = minute
        self._written.clear()
        held, self._held = self._held, {}
        return [denial.model_copy(update={"left_out": before}) for denial, before in held.values()]


class AuditLog:
    """Where audit lines go: to a file, to the standard output, or nowhere."""

    def __init__(self, enabled: bool, file: Path | None, setting: str = "audit.file") -> None:
        """Raise SettingsError, which names the setting, if the file cannot be written."""
        self._enabled, self._file, self._complained = enabled, file, float("-inf")
        self._denials = Denials(time.monotonic)
        if self._enabled and self._file:
            try:
                _append(self._file, b"")
            except OSError as error:
                raise SettingsError(f"{setting} {self._file} cannot be written: {error.strerror}") from error

    def write(
        self,
        action: Action,
        by: Actor = ITSELF,
        *,
        outcome: Outcome = "done",
        code: str = "ok",
        about: KernelRecord | About | None = None,
        kernels: int | None = None,
    ) -> None:
        """Write a line, such as about the kernel of a record.

        What goes on does not stop if it cannot be written; the gateway's log says so.
        """
        if not self._enabled:
            return
        self._write_ended()
        known = About.kernel(about) if isinstance(about, KernelRecord) else about or About()
        owner = known.owner
        line = AuditLine(
            form=1,
            time=datetime.now(timezone.utc),
            action=action,
            outcome=outcome,
            code=code,
            who=by.who,
            address=by.address,
            admin=by.who not in (GATEWAY, None) and owner is not None and by.who != Party.of(owner),
            owner=Party.of(owner) if owner else None,
            kernel_id=known.kernel_id,
            kernelspec=known.kernelspec,
            what=known.what,
            kernels=kernels,
            left_out=0,
        )
        if outcome != "denied" or self._denials.writes(line):
            self._write_line(line)

    async def watch(self) -> None:
        """Write what is due at the end of each minute, until cancelled."""
        while True:
            await asyncio.sleep(MINUTE - time.monotonic() % MINUTE)
            self._write_ended()

    def close(self) -> None:
        """Write what would be due at the end of this minute."""
        self._write_ended(at_once=True)

    def _write_ended(self, *, at_once: bool = False) -> None:
        for line in self._denials.ended(at_once=at_once):
            self._write_line(line)

    def _write_line(self, line: AuditLine) -> None:
        try:
            self._put(f"{line.to_json()}\n")
        except OSError as error:
            if time.monotonic() - self._complained > COMPLAINT_SECONDS:
                self._complained = time.monotonic()
                log.error("the audit log cannot be written: %s", error.strerror or error)

    def _put(self, text: str) -> None:
        if self._file:
            _append(self._file, text.encode("ascii"))
        else:
            sys.stdout.write(text)
            sys.stdout.flush()


def _append(path: Path, data: bytes) -> None:
    """Append to a file that is opened anew each time, so that it can be moved away. Raises OSError."""
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "this is not a regular file")
        if os.write(descriptor, data) < len(data):
            raise OSError(0, "the disk is full")
    finally:
        os.close(descriptor)
