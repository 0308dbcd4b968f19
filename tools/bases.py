"""Pins the base images of the Dockerfiles: `ARG BASE_IMAGE=name:tag@digest`, with the digest beside its tag.

`python tools/bases.py` asks the registries which digests the tags have today, and writes these. A builder then
takes the image with the digest and ignores the tag, which says what it is and what to ask for the next time.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from kernelpod.kernelspecs.registries.registry import ask
from locks import ROOT, BadInput

DOCKERFILES = sorted([*ROOT.glob("images/*/Dockerfile"), *ROOT.glob("bench/*.Dockerfile")])
SECONDS = 30
_ARG = re.compile(r"^ARG BASE_IMAGE=(?P<image>[^@\s]+:[\w.-]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?$", re.M)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class Base(NamedTuple):
    """A base image; the digest is empty if it is not pinned."""

    image: str
    digest: str


def read(file: Path) -> Base:
    """Return the base image of a Dockerfile. Raises BadInput."""
    found = _ARG.findall(file.read_text(encoding="utf-8"))
    if len(found) != 1:
        raise BadInput(f"{file} needs one line ARG BASE_IMAGE=name:tag, with @sha256:... behind it or not")
    return Base(*found[0])


def pin(files: Iterable[Path], logins: Path) -> dict[str, str]:
    """Write the digests of today into the files, and return them by image. Raises BadInput, and writes nothing."""
    bases = {file: read(file) for file in files}
    digests = {}
    for answer in ask({base.image for base in bases.values()}, logins, SECONDS):
        if not _DIGEST.fullmatch(answer.digest):
            raise BadInput(f"{answer.image}: {answer.reason or 'the registry says no sha256 digest'}")
        digests[answer.image] = answer.digest
    for file, base in bases.items():
        pinned = f"ARG BASE_IMAGE={base.image}@{digests[base.image]}"
        file.write_text(_ARG.sub(pinned, file.read_text(encoding="utf-8")), encoding="utf-8")
    return digests


def main() -> None:
    """Pin all base images and say how."""
    try:
        digests = pin(DOCKERFILES, Path.home() / ".docker" / "config.json")
    except BadInput as error:
        sys.exit(f"{error}. Nothing was changed.")
    for image, digest in digests.items():
        print(f"{image}@{digest}")  # noqa: T201 - a command


if __name__ == "__main__":
    main()
