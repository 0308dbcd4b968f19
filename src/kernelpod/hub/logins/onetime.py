"""Logs users in with one-time codes that are valid during an exam: `authenticator_class: one-time`.

A code is used up as soon as it is typed correctly, even if the browser fails afterwards. The supervisor can issue
another one with `kernelpod hub one-time issue --only NAME`.
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

from kernelpod.hub.logins.addresses import browser, checked_networks, site
from kernelpod.hub.logins.codes import ListError, StoredCode, new_code, new_entry, read_list, use

MAX_NAME = 255
# Addresses, and pairs of user and address, whose attempts are remembered.
MAX_REMEMBERED = 10_000
# A hash takes 16 MiB and some 50 ms.
HASHES_AT_ONCE = 4


class Throttle:
    """Limits the rate of attempts for each key: `attempts` at first, then one every `seconds`."""

    def __init__(self, attempts: int, seconds: float) -> None:
        self.attempts, self.seconds = attempts, seconds
        self._seen: OrderedDict[Any, tuple[float, float]] = OrderedDict()

    def wait(self, key: Any) -> float:
        """Count an attempt and return 0, or return the seconds to wait. Attempts that must wait do not count."""
        now = time.monotonic()
        left, then = self._seen.pop(key, (float(self.attempts), now))
        left = min(float(self.attempts), left + (now - then) / self.seconds)
        self._seen[key] = (left - 1 if left >= 1 else left, now)
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        return 0.0 if left >= 1 else (1 - left) * self.seconds


class OneTimeAuthenticator(Authenticator):
    """Accepts a user name with its code from the list. Every user in the list may log in."""

    allow_all = Bool(True, help="Only users in the list have a code.").tag(config=True, allow_config=True)
    list_file = Unicode(help="List of hashed codes, made by `kernelpod hub one-time issue`.").tag(config=True)
    state_dir = Unicode(
        "one-time-used", help="Folder that records used codes. It must outlive the hub. Use one for each list."
    ).tag(config=True)
    attempts = Integer(5, min=1, help="Attempts of one user from one address before the user must wait.").tag(
        config=True
    )
    trusted_proxies = List(
        Unicode(), help="Web servers in front of the hub's own proxy, which report the address of their client."
    ).tag(config=True)
    wait_seconds = Float(10.0, min=0.001, help="Seconds until the user has another attempt.").tag(config=True)
    address_attempts = Integer(
        2000,
        min=1,
        help="Attempts from one address, whatever the names, before all from there must wait. A hall behind one "
        "address needs some for each student: 2000 are 4 for each of 500.",
    ).tag(config=True)
    address_wait_seconds = Float(
        0.2, min=0.001, help="Seconds until an address has another attempt: 0.2 are 5 in each second."
    ).tag(config=True)

    @validate("trusted_proxies")  # type: ignore[untyped-decorator]
    def _networks(self, proposal: Any) -> list[str]:
        """Return the networks. Raises TraitError for an invalid one."""
        return checked_networks(proposal)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        if not self.list_file:
            raise ListError("OneTimeAuthenticator.list_file must name the list of codes")
        self._throttle = Throttle(self.attempts, self.wait_seconds)
        self._by_address = Throttle(self.address_attempts, self.address_wait_seconds)
        self._hashing = asyncio.Semaphore(HASHES_AT_ONCE)
        self._entries: dict[str, StoredCode] = {}
        self._stamp: tuple[int, ...] = ()
        self._nobody = new_entry(new_code(), *2 * [datetime.now(timezone.utc) - timedelta(days=1)])
        self._listed()

    async def authenticate(self, handler: Any, data: dict[str, str]) -> str | None:
        """Return the user if their unused code was typed in time, else None.

        Raises HTTPError, which gives the reason, if the right code was used before or is not valid now, and after
        too many attempts.
        """
        name = unicodedata.normalize("NFC", data.get("username", "")[: MAX_NAME + 1]).lower()
        place = site(browser(handler.request, self.trusted_proxies))
        # By address first: who must wait there uses up nobody's own attempts.
        if wait := self._by_address.wait(place) or self._throttle.wait((name, place)):
            raise HTTPError(429, f"Too many attempts; try again in {max(1, round(wait))} seconds.")
        entry = self._listed().get(name)
        async with self._hashing:
            # The time is the same for names that are not in the list.
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
            raise HTTPError(403, f"Too early: this code is valid from {_shown(entry.opens)}.")
        if now >= entry.closes:
            raise HTTPError(403, f"Too late: this code was valid until {_shown(entry.closes)}.")

    def _listed(self) -> dict[str, StoredCode]:
        """Return the current list, or the last valid one if the file cannot be read."""
        try:
            status = Path(self.list_file).stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._entries, self._stamp = read_list(Path(self.list_file)), stamp
        except OSError as error:
            self.log.error("%s: %s; the last valid list stays in use", self.list_file, error.strerror)
        except ListError as error:
            self.log.error("%s; the last valid list stays in use", error.message)
        return self._entries


def _shown(moment: datetime) -> str:
    return moment.isoformat(sep=" ", timespec="minutes")
