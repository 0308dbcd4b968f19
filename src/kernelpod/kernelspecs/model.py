"""The form of a kernel.json: Jupyter's own keys, and our stanza `metadata.kernelpod`."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.fields import Name
from kernelpod.quantities import Bytes, Millicores
from kernelpod.sentences import sentences

# Rule: jupyter_client maps kernelspecs called `python`, `python2`, `python3` to the native kernel.
NATIVE_NAMES = frozenset({"python", "python2", "python3"})
SPEC_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z")
LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")
# What can be a word of a command line or a value of an environment.
_Word = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
_IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,250}$"


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Amounts(_Form):
    """An amount of each resource, in Kubernetes notation ("500m", "2Gi"); held as millicores and bytes."""

    cpu: Millicores = 1000
    memory: Bytes = 2**30


class Resources(_Form):
    """What a kernel is guaranteed, what it may use, and how far a user's wish may go."""

    requests: Amounts = Amounts.model_validate({"cpu": "100m", "memory": "256Mi"})
    """Guaranteed to the kernel; the scheduler counts it."""
    limits: Amounts = Amounts()
    """The most the kernel may use when the user wishes nothing."""
    bounds: Amounts | None = None
    """The most a user may wish for; absent: the limits."""

    @model_validator(mode="after")
    def _ordered(self) -> Resources:
        bounds = self.bounds or self.limits
        for name in ("cpu", "memory"):
            low, mid, high = (getattr(part, name) for part in (self.requests, self.limits, bounds))
            if not low <= mid <= high:
                said = f"{name}: requests must be at most limits, and limits at most bounds"
                raise PydanticCustomError("over_bounds", "{said}", {"said": said})
        return self


class Profile(_Form):
    """A variant of a kernelspec, addressed as `<spec>.<profile>`; what it leaves out is the spec's."""

    display_name: str = Field(min_length=1, max_length=100)
    image: str | None = Field(None, pattern=_IMAGE)
    resources: Resources | None = None
    groups: tuple[str, ...] | None = None
    network: Name | None = None


_CHANGED_BY_PROFILES = ("display_name", "image", "resources", "groups", "network")


class Stanza(_Form):
    """`metadata.kernelpod` of a kernel.json."""

    image: str = Field(pattern=_IMAGE)
    """Image of the kernel's pod; any image that holds the kernel."""
    resources: Resources = Resources()
    groups: tuple[str, ...] = ()
    """Hub groups that may use the kernelspec; empty: everybody."""
    network: Name = "default"
    """Egress profile of the chart (`networkPolicy.profiles`): what the kernel's pod may reach."""
    transport: Literal["ipc", "tcp"] = "ipc"
    """How a local runtime connects; `tcp` for a kernel that cannot do ipc. Pods always use tcp."""
    profiles: dict[Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")], Profile] = {}


class KernelSpec(_Form):
    """One way to start a kernel: a kernelspec, or one of its profiles, with nothing left to merge."""

    spec: str
    profile: str = ""
    display_name: str
    language: str
    argv: tuple[str, ...]
    env: dict[str, str]
    interrupt_mode: Literal["message", "signal"]
    image: str
    resources: Resources
    groups: tuple[str, ...]
    network: str
    transport: Literal["ipc", "tcp"]
    debugger: bool
    folder: Path
    logos: tuple[str, ...] = ()
    """Names of the logo files that are there."""

    @property
    def address(self) -> str:
        """The name a client sends: `<spec>`, or `<spec>.<profile>`."""
        return f"{self.spec}.{self.profile}" if self.profile else self.spec

    def is_for(self, groups: tuple[str, ...]) -> bool:
        """Return whether a user in these hub groups may use it."""
        return not self.groups or not set(self.groups).isdisjoint(groups)


class _Metadata(BaseModel):
    """Jupyter's free-form metadata: ours is checked, the rest (process_proxy above all) is ignored."""

    model_config = ConfigDict(extra="ignore")

    debugger: bool = False
    kernelpod: Stanza


class KernelJson(BaseModel):
    """A kernel.json: Jupyter's keys are free to grow, ours are not."""

    model_config = ConfigDict(extra="ignore")

    display_name: str = Field(min_length=1, max_length=100)
    language: str = Field(min_length=1, max_length=50)
    argv: tuple[_Word, ...] = Field(min_length=1)
    env: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], _Word] = {}
    interrupt_mode: Literal["message", "signal"] = "signal"
    metadata: _Metadata

    @model_validator(mode="after")
    def _connects(self) -> KernelJson:
        if not any("{connection_file}" in word for word in self.argv):
            said = "argv must hold {connection_file}, or the kernel would never hear of its connection"
            raise PydanticCustomError("connection_file", "{said}", {"said": said})
        if self.argv[0] == "" or "{connection_file}" in self.argv[0]:
            raise ValueError("argv must begin with the command")
        return self


def image_is_allowed(image: str, patterns: tuple[str, ...]) -> bool:
    """Return whether an image fits one of the patterns of `kernelspecs.allowed_images`; without any, all do."""
    return not patterns or any(fnmatchcase(image, pattern) for pattern in patterns)


def read_folder(folder: Path) -> tuple[KernelSpec, ...]:
    """Return the kernelspec of one folder, then its profiles in the order of the file.

    Raises ValueError with a sentence that names the wrong key and what to write.
    """
    name = folder.name
    if name in NATIVE_NAMES or not SPEC_NAME.match(name):
        raise ValueError("the folder's name must be lower-case letters, digits and '-', and not python or python3")
    try:
        data: Any = json.loads((folder / "kernel.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"kernel.json: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"kernel.json is not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("metadata"), dict):
        raise ValueError('kernel.json needs a metadata.kernelpod stanza; the least is {"image": "..."}')
    if "kernelpod" not in data["metadata"]:
        raise ValueError('kernel.json has no metadata.kernelpod stanza; the least is {"image": "..."}')
    try:
        parsed = KernelJson.model_validate(data)
    except ValidationError as error:
        raise ValueError(f"kernel.json: {'; '.join(sentences(error, KernelJson))}") from error
    return variants(folder, parsed)


def variants(folder: Path, parsed: KernelJson) -> tuple[KernelSpec, ...]:
    """Return the kernelspec of a folder, then its profiles in the order of the file."""
    stanza = parsed.metadata.kernelpod
    whole = KernelSpec(
        spec=folder.name,
        display_name=parsed.display_name,
        language=parsed.language,
        argv=parsed.argv,
        env=parsed.env,
        interrupt_mode=parsed.interrupt_mode,
        image=stanza.image,
        resources=stanza.resources,
        groups=stanza.groups,
        network=stanza.network,
        transport=stanza.transport,
        debugger=parsed.metadata.debugger,
        folder=folder,
        logos=tuple(name for name in LOGOS if (folder / name).is_file()),
    )
    found = [whole]
    for name, profile in stanza.profiles.items():
        changes = {key: getattr(profile, key) for key in _CHANGED_BY_PROFILES}
        given = {key: value for key, value in changes.items() if value is not None}
        found.append(whole.model_copy(update={"profile": name, **given}))
    return tuple(found)
