"""Parses names of images, and finds out which images the nodes of a cluster have pulled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

DOCKER_HUB, DOCKER_HUB_API = "docker.io", "registry-1.docker.io"
# kubelet lists at most this many images in a node's status, unless nodeStatusMaxImages is set.
NAMED_BY_KUBELET = 50
_REFERENCE = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+(?::\d+)?)/)?(?P<path>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>[a-z0-9]+:[0-9a-f]{32,}))?"
)

State = Literal["found", "missing", "unknown"]


class Answer(NamedTuple):
    """The result of looking up one image."""

    image: str
    state: State
    reason: str = ""
    digest: str = ""
    """The digest that a registry says it has under the name."""


class Reference(NamedTuple):
    """The parts of an image's name."""

    host: str
    path: str
    tag: str
    digest: str

    @property
    def version(self) -> str:
        """The digest if there is one, else the tag."""
        return self.digest or self.tag

    @property
    def names(self) -> set[str]:
        """The full names under which a node lists the image."""
        whole = f"{self.host}/{self.path}"
        return {f"{whole}@{self.digest}"} if self.digest else {f"{whole}:{self.tag}"}


def parse(image: str) -> Reference:
    """Return the parts of an image's name, with the defaults of container runtimes. Raises ValueError."""
    first, _, rest = image.partition("/")
    named = bool(rest) and (first == "localhost" or "." in first or ":" in first)
    found = _REFERENCE.fullmatch(image if named else f"{DOCKER_HUB}/{image}")
    if not found:
        raise ValueError(f"{image!r} is not a valid image name")
    path = found["path"]
    if found["host"] == DOCKER_HUB and "/" not in path:
        path = f"library/{path}"
    return Reference(found["host"], path, found["tag"] or "latest", found["digest"] or "")


def on_nodes(images: Iterable[str], nodes: Iterable[Mapping[str, Any]]) -> list[Answer]:
    """Return for each image on how many nodes it is present, according to the nodes' status."""
    held = [_held(node) for node in nodes]
    # A node that lists the maximum may have more images.
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
            answers.append(Answer(image, "unknown", f"nodes report at most {NAMED_BY_KUBELET} images each"))
    return answers


def _held(node: Mapping[str, Any]) -> set[str]:
    """Return the full names of a node's images."""
    found: set[str] = set()
    for image in node.get("status", {}).get("images", []):
        for name in image.get("names") or []:
            try:
                found |= parse(name).names
            except ValueError:
                continue
    return found
