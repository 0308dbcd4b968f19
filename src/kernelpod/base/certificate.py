"""A server's certificate, which is read again when it has been renewed."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path

RENEWAL_SECONDS = 10

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, and the context for connections that uses the newest one."""

    def __init__(
        self,
        certificate: str | Path,
        key: str | Path | None,
        delay_seconds: float = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise OSError if the files cannot be used. Without `key`, the certificate's file holds it.

        A renewed certificate is used `delay_seconds` after it was noticed.
        """
        self._files, self._delay, self._clock = (Path(certificate), key), delay_seconds, clock
        self._used = self._noticed = self._files[0].read_bytes()
        self._since = 0.0
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(*self._files)

    async def watch(self) -> None:
        """Renew it regularly until cancelled, whatever the wall clock does."""
        while True:
            await asyncio.sleep(RENEWAL_SECONDS)
            self.renew()

    def renew(self) -> None:
        """Read the files again. If they do not fit together, new connections still get the certificate of before.

        The key may not match yet, because certificate and key are written one after the other.
        """
        try:
            there = self._files[0].read_bytes()
            if there != self._noticed:
                self._noticed, self._since = there, self._clock()
            if there == self._used or self._clock() - self._since < self._delay:
                return
            # In a context of its own first: half of a pair would end all new connections.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*self._files)
            self.context.load_cert_chain(*self._files)
            self._used = there
        except OSError as error:
            log.warning("certificate %s could not be read again: %s", self._files[0], error)
