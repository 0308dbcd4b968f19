"""Writes a CycloneDX SBOM of each image and of the wheel, from the locks: `python tools/sbom.py FOLDER`.

The same checkout gives the same bytes: there is neither a time nor a random serial number. What images get from
Debian is in no lock, so it is not listed; a scanner of the built image finds it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import bases
from locks import LOCKS, ROOT, BadInput, Pin, read_lock

DOCKERFILES = sorted(ROOT.glob("images/*/Dockerfile"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MACHINES = ("x86_64", "aarch64")
_LOCK = re.compile(r"^COPY requirements/([\w-]+\.txt) ", re.M)
_VERSION = re.compile(r'^version = "(.+)"$', re.M)
_TAG = re.compile(r".*/?python:(\d+\.\d+)-")


def environments(pythons: Sequence[str]) -> list[dict[str, str]]:
    """Return values of markers as on machines that Kernelpod runs on, whatever this machine is."""
    return [
        {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_machine": machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
        }
        for python in pythons
        for machine in MACHINES
    ]


def project_version() -> str:
    """Return the version of this checkout."""
    found = _VERSION.search((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert found is not None  # noqa: S101 - for the type checker
    return found[1]


def package(pin: Pin) -> Component:
    """Return a package of a lock: its hashes are those of all its files, of which an installation takes one."""
    return Component(
        type=ComponentType.LIBRARY,
        name=pin.name,
        version=pin.version,
        bom_ref=f"{pin.name}=={pin.version}",
        purl=PackageURL("pypi", name=pin.name, version=pin.version),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.hashes],
    )


def this_package() -> Component:
    """Return the package of this checkout."""
    version = project_version()
    purl = PackageURL("pypi", name="kernelpod", version=version)
    return Component(
        type=ComponentType.LIBRARY, name="kernelpod", version=version, bom_ref=f"kernelpod=={version}", purl=purl
    )


def base_component(base: bases.Base) -> Component:
    """Return the base image."""
    name, _, tag = base.image.rpartition(":")
    version = f"{tag}@{base.digest}" if base.digest else tag
    return Component(type=ComponentType.CONTAINER, name=name, version=version, bom_ref=f"base:{base.image}")


def bom(about: Component, parts: Iterable[Component]) -> str:
    """Return the SBOM of what has these parts, as JSON."""
    made = Bom(components=parts)
    made.metadata.component = about
    made.metadata.timestamp = None  # type: ignore[assignment]  # the setter takes it
    made.serial_number = None  # type: ignore[assignment]
    made.register_dependency(about, made.components)
    text: str = JsonV1Dot6(made).output_as_string(indent=2)
    return f"{text}\n"


def image_bom(dockerfile: Path) -> str:
    """Return the SBOM of an image. Raises BadInput."""
    text, base = dockerfile.read_text(encoding="utf-8"), bases.read(dockerfile)
    python = _TAG.match(base.image)
    if not python:
        raise BadInput(
            f"{dockerfile}: the tag of {base.image} does not say which Python it has, as python:3.13-slim"
        )
    name = dockerfile.parent.name
    about = Component(
        type=ComponentType.CONTAINER,
        name=f"kernelpod {name}",
        version=project_version(),
        bom_ref=f"image:{name}",
        properties=[Property(name="kernelpod:lock", value=lock) for lock in _LOCK.findall(text)],
    )
    pins = [pin for lock in _LOCK.findall(text) for pin in read_lock(LOCKS / lock)]
    parts = [base_component(base), *_packages(pins, [python[1]])]
    return bom(about, [*parts, this_package()] if "COPY src " in text else parts)


def wheel_bom() -> str:
    """Return the SBOM of the wheel: what it asks for, as the lock has it, on every Python. Raises BadInput."""
    return bom(this_package(), _packages(read_lock(LOCKS / "admin.txt"), PYTHONS))


def _packages(pins: Iterable[Pin], pythons: Sequence[str]) -> list[Component]:
    known = environments(pythons)
    return [package(pin) for pin in pins if any(pin.is_for(one) for one in known)]


def write(folder: Path) -> list[Path]:
    """Write all SBOMs into a folder. Raises BadInput, and then writes none."""
    texts = {f"image-{file.parent.name}.cdx.json": image_bom(file) for file in DOCKERFILES}
    texts["wheel.cdx.json"] = wheel_bom()
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def main() -> None:
    """Write the SBOMs, and print where they are."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/sbom.py FOLDER")
    try:
        files = write(Path(sys.argv[1]))
    except (BadInput, OSError) as error:
        sys.exit(f"No SBOM was written: {error}")
    print("\n".join(map(str, files)))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
