"""Signatures of trusted notebooks in the user's home, which no open notebook waits for.

nbformat keeps them in SQLite and asks in the server's event loop whenever a notebook is opened or saved. On an NFS
server that has just started, or that gives no locks, everything in the server would stand until a lock comes.
nbformat also takes a file whose lock it does not get for a broken one, and moves it away.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from nbformat.sign import MemorySignatureStore, SignatureStore, SQLiteSignatureStore

SECONDS = 2.0
"""How long a notebook waits for the file at most."""
MOST_UNWRITTEN = 10_000
"""How many signatures, of about 100 bytes each, are kept for a file that does not answer; the oldest go first."""
_AT_ONCE = 50
_Work = Callable[[SignatureStore], Any]


class PatientSignatures(SignatureStore):
    """Keeps signatures in nbformat's file for as long as that answers within `seconds`, and in memory in any case.

    What could not be written is written when the file answers again. Never raises for what the file system does.
    """

    def __init__(
        self, file: Path, log: logging.Logger | logging.LoggerAdapter[Any], seconds: float = SECONDS
    ) -> None:
        self._file, self._log, self._seconds = file, log, seconds
        self._memory = MemorySignatureStore()
        # What is to be stored (True) and removed (False) in the file.
        self._unwritten: dict[tuple[str, str], bool] = {}
        self._work: queue.SimpleQueue[tuple[_Work, Future[Any]] | None] = queue.SimpleQueue()
        self._waits: Future[Any] | None = None
        self._silent = False
        # A daemon: the server ends also while Linux waits for a lock.
        threading.Thread(target=self._serve, name="signatures", daemon=True).start()

    def store_signature(self, digest: str, algorithm: str) -> None:
        """Keep a signature."""
        self._memory.store_signature(digest, algorithm)
        self._write(digest, algorithm, True)

    def check_signature(self, digest: str, algorithm: str) -> bool:
        """Return whether a signature is known; one that only a file has which does not answer is not."""
        if (stays := self._unwritten.get((digest, algorithm))) is not None:
            return stays
        self._write_some()
        if self._memory.check_signature(digest, algorithm):
            return True
        known = bool(self._ask(lambda stored: stored.check_signature(digest, algorithm)))
        if known:
            self._memory.store_signature(digest, algorithm)
        return known

    def remove_signature(self, digest: str, algorithm: str) -> None:
        """Forget a signature."""
        self._memory.remove_signature(digest, algorithm)
        self._write(digest, algorithm, False)

    def close(self) -> None:
        """Close the file, once what is asked of it is done."""
        self._work.put(None)

    def _write(self, digest: str, algorithm: str, wanted: bool) -> None:
        self._unwritten.pop((digest, algorithm), None)
        self._unwritten[digest, algorithm] = wanted
        while len(self._unwritten) > MOST_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]
        self._write_some()

    def _write_some(self) -> None:
        """Write some of what is not written yet, if there is anything."""
        some = dict(islice(self._unwritten.items(), _AT_ONCE))

        def write(stored: SignatureStore) -> bool:
            for key, stays in some.items():
                (stored.store_signature if stays else stored.remove_signature)(*key)
            return True

        if some and self._ask(write):
            for key in some:
                del self._unwritten[key]

    def _ask(self, work: _Work) -> Any:
        """Return what the file's store answers, and nothing if it does not in time, or still works on the last."""
        if self._waits is None or self._waits.done():
            self._waits = Future()
            self._work.put((work, self._waits))
            try:
                answer = self._waits.result(self._seconds)
            except LateError:
                self._say(f"nothing after {self._seconds:g} s")
            except (sqlite3.Error, OSError) as error:
                self._say(str(error))
            else:
                self._silent = False
                return answer
        return None

    def _say(self, reason: str) -> None:
        if not self._silent:
            self._silent = True
            self._log.warning(
                "kernelpod: %s does not answer: %s. Until it does, notebooks that were trusted before show as not "
                "trusted, and trust that is given is kept in memory. The NFS server of the home may just have "
                "started, or give no locks.",
                self._file,
                reason,
            )

    def _serve(self) -> None:
        stored: SignatureStore | None = None
        while asked := self._work.get():
            work, answer = asked
            try:
                stored = stored or _opened(self._file)
                answer.set_result(work(stored))
            except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
                # The next work opens the file anew: what was open may be another file's, or half written.
                if stored:
                    stored.close()
                stored = None
                answer.set_exception(error)
        if stored:
            stored.close()


def _opened(file: Path) -> SQLiteSignatureStore:
    """Return nbformat's store of a file. Raises sqlite3.OperationalError if the file gives no lock."""
    try:
        with closing(sqlite3.connect(file)) as database:
            database.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        pass  # It is no database. nbformat moves it aside and begins a new one.
    return SQLiteSignatureStore(str(file))
