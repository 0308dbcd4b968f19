"""Checks in registries whether images exist, without pulling them.

Source: OCI Distribution Specification 1.1, "Checking if content exists"; the challenge is Docker Registry v2's.
"""

from __future__ import annotations

import base64
import json
import queue
import re
import threading
import time
from collections.abc import Iterable, Mapping
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from kernelpod.kernelspecs.registries.images import DOCKER_HUB, DOCKER_HUB_API, Answer, Reference, parse

# Time limit for all registries together, so that a command without a network is not delayed longer.
DEADLINE_SECONDS = 5.0
TIMEOUT_SECONDS = 4.0
AT_ONCE = 12
LARGEST_TOKEN = 2**18
LOOPBACK = ("localhost", "127.0.0.1", "::1")
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
# The name of Docker Hub in docker's config.json.
_DOCKER_HUB_LOGIN = "index.docker.io"


class _Unknown(Exception):
    """It is unknown whether an image exists; the message is the reason."""


def ask(images: Iterable[str], logins: Path, seconds: float = DEADLINE_SECONDS) -> list[Answer]:
    """Return an answer for each image, after at most `seconds`. `logins` is the path of docker's config.json."""
    wanted = list(dict.fromkeys(images))
    known = _logins(logins)
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    for image in wanted:
        todo.put(image)

    def work() -> None:
        while True:
            try:
                image = todo.get_nowait()
            except queue.Empty:
                return
            done.put(_ask(image, known))

    # These threads are never joined, since name resolution can block for longer than any timeout.
    for _ in range(min(AT_ONCE, len(wanted))):
        threading.Thread(target=work, daemon=True).start()
    answers: dict[str, Answer] = {}
    end = time.monotonic() + seconds
    while len(answers) < len(wanted):
        try:
            answer = done.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        answers[answer.image] = answer
    late = f"the registry did not answer within {seconds:g} s"
    return [answers.get(image) or Answer(image, "unknown", late) for image in wanted]


def _ask(image: str, logins: Mapping[str, str]) -> Answer:
    try:
        reference = parse(image)
    except ValueError as error:
        return Answer(image, "missing", str(error))
    try:
        digest = _digest(reference, logins.get(reference.host, ""))
    except _Unknown as error:
        return Answer(image, "unknown", str(error))
    except (URLError, HTTPException, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        return Answer(image, "unknown", f"{reference.host} does not answer as a registry: {reason}")
    if digest is None:
        return Answer(image, "missing", f"{reference.host} does not have it")
    return Answer(image, "found", digest=digest)


def _digest(reference: Reference, login: str) -> str | None:
    """Return the digest that the registry says; empty if it says none, None if it does not have the image."""
    opener = build_opener(_Redirects)
    host = DOCKER_HUB_API if reference.host == DOCKER_HUB else reference.host
    url = f"{_scheme(host)}://{host}/v2/{reference.path}/manifests/{reference.version}"
    status, headers = _head(opener, url, "")
    if status == 401:
        challenge = headers.get("WWW-Authenticate", "")
        status, headers = _head(opener, url, _authorization(opener, challenge, reference, login))
    if status == 200:
        kind = headers.get("Content-Type", "").partition(";")[0].strip()
        digest = headers.get("Docker-Content-Digest", "")
        if kind not in MANIFESTS and not digest:
            raise _Unknown(f"the answer of {reference.host} is not an image ({kind or 'no content type'})")
        return digest
    if status == 404:
        return None
    hint = "; `docker login` to it" if status in (401, 403) else ""
    raise _Unknown(f"{reference.host} answers {status}{hint}")


def _head(opener: OpenerDirector, url: str, authorization: str) -> tuple[int, Message]:
    """Return the status and headers of a HEAD request."""
    request = Request(url, method="HEAD", headers={"Accept": ", ".join(MANIFESTS)})  # noqa: S310 - _scheme chose it
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.headers


def _authorization(opener: OpenerDirector, challenge: str, reference: Reference, login: str) -> str:
    """Return the Authorization header that a registry asks for: basic authentication or a bearer token."""
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() == "basic" and login:
        return f"Basic {login}"
    if scheme.lower() != "bearer":
        raise _Unknown(f"{reference.host} answers 401; `docker login` to it")
    words = dict(_CHALLENGE.findall(rest))
    realm = urlsplit(words.get("realm", ""))
    if realm.scheme != _scheme(realm.netloc) or not realm.hostname:
        raise _Unknown(f"{reference.host} names no usable address for tokens")
    scope = words.get("scope", f"repository:{reference.path}:pull")
    query = urlencode({"scope": scope} | ({"service": words["service"]} if "service" in words else {}))
    request = Request(f"{words['realm']}{'&' if realm.query else '?'}{query}")  # noqa: S310 - looked at above
    if login:
        request.add_unredirected_header("Authorization", f"Basic {login}")
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            text = answer.read(LARGEST_TOKEN + 1)
    except HTTPError as error:
        with error:
            raise _Unknown(
                f"{realm.hostname} gives no token ({error.code}); `docker login` to {reference.host}"
            ) from error
    if len(text) > LARGEST_TOKEN:
        raise _Unknown(f"the answer of {realm.hostname} is too long")
    made = json.loads(text)
    token = made.get("token") or made.get("access_token") if isinstance(made, dict) else None
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise _Unknown(f"{realm.hostname} answers without a token")
    return f"Bearer {token}"


class _Redirects(HTTPRedirectHandler):
    """Follows redirects with HEAD and without the headers that were only meant for the first host."""

    def redirect_request(self, req: Request, *about: Any) -> Request | None:
        """Return the next request, or None if it would leave https."""
        made = super().redirect_request(req, *about)
        if made is None or made.type != _scheme(made.host):
            return None
        made.method = req.get_method()
        return made


def _scheme(host: str) -> str:
    """Return http for this machine and https for all others."""
    return "http" if urlsplit(f"//{host}").hostname in LOOPBACK else "https"


def _logins(file: Path) -> dict[str, str]:
    """Return the logins of docker's config.json by host as header values. Empty if it cannot be read."""
    try:
        auths: Any = json.loads(file.read_text(encoding="utf-8"))["auths"]
        return {_host(name): _login(about) for name, about in auths.items() if _login(about)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _host(name: str) -> str:
    host = name.partition("://")[2] or name
    host = host.partition("/")[0]
    return DOCKER_HUB if host == _DOCKER_HUB_LOGIN else host


def _login(about: Mapping[str, str]) -> str:
    if "auth" in about:
        return about["auth"] if re.fullmatch(r"[A-Za-z0-9+/=]+", about["auth"]) else ""
    if "username" in about and "password" in about:
        return base64.b64encode(f"{about['username']}:{about['password']}".encode()).decode()
    return ""
