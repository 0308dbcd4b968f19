"""Passes connections on to one of several addresses, as a Service of Kubernetes does."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from urllib.parse import urlsplit

CONNECT_SECONDS = 2.0


class Balancer:
    """Listens on loopback. The addresses are read anew for each connection; the first that accepts it gets it."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Balancer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with caller:
            for url in list(self.urls):
                at = urlsplit(url)
                with contextlib.suppress(OSError):
                    with socket.create_connection((at.hostname, at.port), CONNECT_SECONDS) as server:
                        server.settimeout(None)
                        back = threading.Thread(target=_copy, args=(server, caller), daemon=True)
                        back.start()
                        _copy(caller, server)
                        back.join()
                    return


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
