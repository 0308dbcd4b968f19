"""Logins with codes that count once, within an exam's time: `authenticator_class: one-time`.

A code is burnt when it is typed correctly, whatever happens to the browser afterwards: who needs another one asks
the supervisor, who issues it with `kernelpod hub one-time issue --only NAME`.
"""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from jupyterhub.auth import Authenticator
from tornado.web import HTTPError
from traitlets import Bool, Float, Integer, List, Unicode, validate

from kernelpod.hub.logins.addresses import browser, checked_networks
from kernelpod.hub.logins.codes import ListError, StoredCode, new_code, new_entry, read_list, use

MAX_NAME = 255
# Pairs of user and address whose attempts are remembered.
MAX_REMEMBERED = 10_000
# A hash takes 16 MiB and some 50 ms.
HASHES_AT_ONCE = 4


class Throttle:
    """Lets each key go on after some attempts only so often."""

    def __init__(self, attempts: int, seconds: float) -> None:
        self.attempts, self.seconds = attempts, seconds
        self._seen: OrderedDict[Any, tuple[float, float]] = OrderedDict()

    def wait(self, key: Any) -> float:
        """Count an attempt and return 0, or return how long to wait; an attempt that must wait does not count."""
        now = time.monotonic()
        left, then = self._seen.pop(key, (float(self.attempts), now))
        left = min(float(self.attempts), left + (now - then) / self.seconds)
        self._seen[key] = (left - 1 if left >= 1 else left, now)
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) * self.seconds


class OneTimeAuthenticator(Authenticator):
    """Takes a user name and a code from the list; being in the list is the permission."""

    allow_all = Bool(True, help="Who is not in the list has no code.").tag(config=True, allow_config=True)
    list_file = Unicode(help="List of hashed codes, made by `kernelpod hub one-time issue`.").tag(config=True)
    state_dir = Unicode(
        "one-time-used", help="Folder for the notes of used codes; must outlive the hub. One a list is best."
    ).tag(config=True)
    attempts = Integer(5, min=1, help="Attempts of one user from one address before the user must wait.").tag(
        config=True
    )
    trusted_proxies = List(
        Unicode(), help="Web servers in front of the hub's own proxy, which say whom they were asked by."
    ).tag(config=True)
    wait_seconds = Float(10.0, min=0.001, help="After these another attempt is free.").tag(config=True)

    @validate("trusted_proxies")  # type: ignore[untyped-decorator]
    def _networks(self, proposal: Any) -> list[str]:
        """Return the addresses. Raises TraitError for what is none."""
        return checked_networks(proposal)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if not self.list_file:
            raise ListError("OneTimeAuthenticator.list_file must name the list of codes")
        self._throttle = Throttle(self.attempts, self.wait_seconds)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._entries: dict[str, StoredCode] = {}
        self._stamp: tuple[int, ...] = ()
        self._nobody = new_entry(new_code(), *2 * [datetime.now(timezone.utc) - timedelta(days=1)])
        self._listed()

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Return the user whose unused code was typed in time. A reason is only given to who knows the code."""
        name = unicodedata.normalize("NFC", data.get("username", "")[: MAX_NAME + 1]).lower()
        if wait := self._throttle.wait((name, browser(handler.request, self.trusted_proxies))):
            raise HTTPError(429, f"Too many attempts; try again in {max(1, round(wait))} seconds.")
        entry = self._listed().get(name)
        async with self._hashing:
            # Names that are not in the list take as long.
            right = await asyncio.to_thread((entry or self._nobody).matches, data.get("password", ""))
        if entry is None or not right or not self.validate_username(name):
            return None
        self._check_time(entry)
        if not await asyncio.to_thread(use, Path(self.state_dir), entry):
            self.log.warning("The code of %r was used before", name)
            raise HTTPError(403, "This code was used before. Ask the supervisor for a new one.")
        return name

    def _check_time(self, entry: StoredCode) -> None:
        now = datetime.now(timezone.utc)
        if now < entry.opens:
            raise HTTPError(403, f"Too early: this code counts from {_shown(entry.opens)}.")
        if now >= entry.closes:
            raise HTTPError(403, f"Too late: this code counted until {_shown(entry.closes)}.")

    def _listed(self) -> dict[str, StoredCode]:
        """Return the list as it is now; one that cannot be read leaves the older one in force."""
        try:
            status = Path(self.list_file).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._entries, self._stamp = read_list(Path(self.list_file)), stamp
        except OSError as error:
            self.log.error("%s: %s; the list as it was stays in force", self.list_file, error.strerror)
        except ListError as error:
            self.log.error("%s; the list as it was stays in force", error.message)
        return self._entries


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
