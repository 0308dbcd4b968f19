"""Names of images: what a registry is asked for, and which of them nodes hold already."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

DOCKER_HUB, DOCKER_HUB_API = "docker.io", "registry-1.docker.io"
# kubelet names no more in a node's status, unless nodeStatusMaxImages says so.
NAMED_BY_KUBELET = 50
_REFERENCE = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::\d+)?)/)?(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?"
)

State = Literal["found", "missing", "unknown"]


class Answer(NamedTuple):
    """What was said of one image."""

    image: str
    state: State
    reason: str = ""


class Reference(NamedTuple):
    """An image's name in its parts."""

    host: str
    path: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """What is asked for: the digest, else the tag."""
        return self.digest or self.tag

    @property
    def names(self) -> set[str]:
        """The names by which a node knows it."""
        whole = f"{self.host}/{self.path}"
        return {f"{whole}@{self.digest}"} if self.digest else {f"{whole}:{self.tag}"}


def parse(image: str) -> Reference:
    """Return the parts of an image's name, with what container runtimes fill in. Raises ValueError."""
    first, _, rest = image.partition("/")
    named = bool(rest) and (first == "localhost" or "." in first or ":" in first)
    found = _REFERENCE.fullmatch(image if named else f"{DOCKER_HUB}/{image}")
    if not found:
        raise ValueError(f"{image!r} is no name of an image")
    path = found["path"]
    if found["host"] == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(found["host"], path, found["tag"] or "latest", found["digest"] or "")


def on_nodes(images: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> list[Answer]:
    """Return which images the nodes of a cluster hold, by what kubelet says of each node."""
    held = [_held(node) for node in nodes]
    # A node that names as many as it may can hold others.
    full = any(len(node.get("status", {}).get("images", [])) >= NAMED_BY_KUBELET for node in nodes)
    answers = []
    for image in images:
        try:
            names = parse(image).names
        except ValueError as error:
            answers.append(Answer(image, "missing", str(error)))
            continue
        count = sum(bool(names & there) for there in held)
        said = f"on {count} of {len(held)} nodes"
        if count or not full:
            answers.append(Answer(image, "found" if count else "missing", said))
        else:
            answers.append(Answer(image, "unknown", f"kubelet names {NAMED_BY_KUBELET} images of a node at most"))
    return answers


def _held(node: Mapping[str, Any]) -> set[str]:
    """Return the whole names of a node's images."""
    found: set[str] = set()
    for image in node.get("status", {}).get("images", []):
        for name in image.get("names") or []:
            try:
                found |= parse(name).names
            except ValueError:
                continue
    return found
