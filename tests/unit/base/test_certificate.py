"""A renewed certificate is served by new connections, whole, and not before the others know it."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
from pathlib import Path

import pytest

from certificates import certificates
from kernelpod.base import certificate as module
from kernelpod.base.certificate import Certificate

DELAY = 100.0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two folders, each with a certificate and its key."""
    folders = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    for folder in folders:
        certificates(folder)
    return folders


@pytest.fixture
def files(tmp_path: Path, made: tuple[Path, Path]) -> Path:
    """A folder with the first certificate and its key."""
    put(made[0], tmp_path, "server.pem", "server.key")
    return tmp_path


def put(folder: Path, where: Path, *names: str) -> None:
    for name in names:
        shutil.copy(folder / name, where / name)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def served(certificate: Certificate) -> bytes:
    """Return the certificate that a new connection gets."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answering = threading.Thread(
            target=lambda: certificate.context.wrap_socket(theirs, server_side=True).close()
        )
        answering.start()
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with client.wrap_socket(ours) as connected:
            shown = connected.getpeercert(binary_form=True)
        answering.join(30)
    assert shown is not None
    return shown


def text(folder: Path) -> bytes:
    pem = (folder / "server.pem").read_text(encoding="ascii")
    return ssl.PEM_cert_to_DER_cert(pem[: pem.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)])


def test_a_renewed_certificate_is_used_at_once(files: Path, made: tuple[Path, Path]) -> None:
    certificate = Certificate(files / "server.pem", files / "server.key")
    assert served(certificate) == text(made[0])
    put(made[1], files, "server.pem", "server.key")
    certificate.renew()
    assert served(certificate) == text(made[1])


def test_half_a_pair_is_not_used(files: Path, made: tuple[Path, Path]) -> None:
    certificate = Certificate(files / "server.pem", files / "server.key")
    put(made[1], files, "server.pem")
    certificate.renew()
    assert served(certificate) == text(made[0])
    put(made[1], files, "server.key")
    certificate.renew()
    assert served(certificate) == text(made[1])


def test_several_gateways_wait_until_each_of_them_has_it(files: Path, made: tuple[Path, Path]) -> None:
    clock = Clock()
    certificate = Certificate(files / "server.pem", files / "server.key", DELAY, clock)
    put(made[1], files, "server.pem", "server.key")
    for later, folder in ((0, made[0]), (DELAY - 1, made[0]), (1, made[1])):
        clock.now += later
        certificate.renew()
        assert served(certificate) == text(folder)


def test_one_that_is_missing_for_a_moment_changes_nothing(files: Path, made: tuple[Path, Path]) -> None:
    certificate = Certificate(files / "server.pem", files / "server.key")
    (files / "server.pem").unlink()
    certificate.renew()
    assert served(certificate) == text(made[0])


async def test_it_is_renewed_regularly(
    files: Path, made: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RENEWAL_SECONDS", 0)
    certificate = Certificate(files / "server.pem", files / "server.key")
    before = served(certificate)
    watching = asyncio.ensure_future(certificate.watch())
    put(made[1], files, "server.pem", "server.key")
    renewed = asyncio.Event()
    monkeypatch.setattr(certificate, "renew", lambda: (Certificate.renew(certificate), renewed.set()))
    await renewed.wait()
    watching.cancel()
    assert served(certificate) != before
