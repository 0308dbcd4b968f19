"""The model of kernel.json: Jupyter's keys and the stanza `metadata.kernelpod`."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from kernelpod.base.fields import Name
from kernelpod.base.files import read_ordinary
from kernelpod.base.podkeys import PodKeys, VariableName
from kernelpod.findings.sentences import sentences
from kernelpod.kernelspecs.resources import Resources

# Rule: jupyter_client maps kernelspecs called `python`, `python2`, `python3` to the native kernel.
NATIVE_NAMES = frozenset({"python", "python2", "python3"})
SPEC_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?\Z")
LOGOS = ("logo-32x32.png", "logo-64x64.png", "logo-svg.svg")
# A word of a command line or the value of an environment variable.
_Word = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
# Environment variables that every kernel gets from its plan.
GIVEN_VARIABLES = frozenset({"HOME", "USER", "LOGNAME", "KERNEL_ID", "KERNEL_USERNAME"})
# Of one file of a kernelspec's folder.
LARGEST_BYTES = 2**20
_IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,250}$"


class Variant(PodKeys):
    """The keys of a kernelspec that its profiles can override."""

    image: str = Field(pattern=_IMAGE)
    """Image of the kernel's pod. Any image that contains the kernel works."""
    resources: Resources = Resources()
    """Guaranteed and maximum resources of a kernel."""
    groups: tuple[str, ...] = ()
    """Hub groups that may use it. Empty: everybody."""
    hubs: tuple[Name, ...] = ()
    """Names of the hubs whose users may use it. Empty: all hubs. Groups of equal names in several hubs may have
    other members."""
    network: Name = "default"
    """Egress profile of the chart (`networkPolicy.profiles`), which limits what the kernel's pod can reach."""
    mounts: tuple[Name, ...] | None = None
    """Names of mounts of the settings that kernels get, if the user may have them. Absent: all of the user's."""
    cull_idle_seconds: float | None = Field(None, ge=0)
    """Replaces `culling.idle_seconds` and must not exceed it. If that is 0, any number may be set; 0: never."""
    iopub_msg_rate_limit: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Replaces `gateway.iopub_msg_rate_limit`: messages of output per second; 0: no limit."""
    iopub_data_rate_limit: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Replaces `gateway.iopub_data_rate_limit`: bytes of printed output per second; 0: no limit."""
    prewarm: int = Field(0, ge=0, le=3)
    """Number of kernels kept ready for each user who has started one, for `start.spare_seconds`. The user's next
    start with the same plan uses one of them."""


class Profile(Variant):
    """A variant of a kernelspec, addressed as `<spec>.<profile>`. It inherits keys that it does not set."""

    display_name: str = Field(min_length=1, max_length=100)
    """Name shown in Lab."""
    image: str = Field("", pattern=_IMAGE)
    """Image of the kernel's pod. Absent: the kernelspec's."""


class Stanza(Variant):
    """`metadata.kernelpod` of a kernel.json."""

    transport: Literal["ipc", "tcp"] = "ipc"
    """How the local runtime connects. Use `tcp` for kernels that do not support ipc. Pods always use tcp."""
    profiles: dict[Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$")], Profile] = Field({})
    """Variants by name, which is the part after the dot in `<spec>.<profile>`."""


class KernelSpec(Variant):
    """A kernelspec or one of its profiles, with all inherited keys filled in."""

    spec: str
    profile: str = ""
    display_name: str
    language: str
    argv: tuple[str, ...]
    env: dict[str, str]
    interrupt_mode: Literal["message", "signal"]
    transport: Literal["ipc", "tcp"]
    debugger: bool
    supports_curve: bool = False
    """Whether the kernel can encrypt its connection by CurveZMQ."""
    folder: Path
    logos: tuple[str, ...] = ()
    """Names of the existing logo files."""

    @property
    def address(self) -> str:
        """The name a client sends: `<spec>`, or `<spec>.<profile>`."""
        return f"{self.spec}.{self.profile}" if self.profile else self.spec

    def is_for(self, hub: str | None, groups: tuple[str, ...]) -> bool:
        """Return whether users of this hub (None: of some hub) in these groups may use it."""
        of_hub = hub is None or not self.hubs or hub in self.hubs
        return of_hub and (not self.groups or not set(self.groups).isdisjoint(groups))


class _Metadata(BaseModel):
    """Jupyter's free-form metadata. Only our keys are validated; others such as process_proxy are ignored."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    debugger: bool = False
    supported_encryption: tuple[str, ...] = ()
    kernelpod: Stanza


class KernelJson(BaseModel):
    """A kernel.json: Jupyter's keys are free to grow, ours are not."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    display_name: str = Field(min_length=1, max_length=100)
    language: str = Field(min_length=1, max_length=50)
    argv: tuple[_Word, ...] = Field(min_length=1)
    env: dict[VariableName, _Word] = {}
    interrupt_mode: Literal["message", "signal"] = "signal"
    metadata: _Metadata

    @model_validator(mode="after")
    def _connects(self) -> KernelJson:
        if not any("{connection_file}" in word for word in self.argv):
            said = "argv must contain {connection_file}, or the kernel cannot find its connection file"
            raise PydanticCustomError("connection_file", "{said}", {"said": said})
        if self.argv[0] == "" or "{connection_file}" in self.argv[0]:
            raise ValueError("argv must begin with the command")
        return self

    @model_validator(mode="after")
    def _one_source_each(self) -> KernelJson:
        stanza = self.metadata.kernelpod
        for variant in (stanza, *stanza.profiles.values()):
            if twice := sorted((self.env.keys() | GIVEN_VARIABLES) & variant.secret_env.keys()):
                raise ValueError(f"secret_env: {twice[0]} is already set by env or by the gateway")
        return self


def image_is_allowed(image: str, patterns: tuple[str, ...]) -> bool:
    """Return whether an image matches a pattern of `kernelspecs.allowed_images`. Without patterns, all match."""
    return not patterns or any(fnmatchcase(image, pattern) for pattern in patterns)


def read_folder(folder: Path) -> tuple[KernelSpec, ...]:
    """Return the kernelspec of one folder, followed by its profiles in the order of the file.

    Raises ValueError, which names the wrong key and says how to fix it.
    """
    name = folder.name
    if name in NATIVE_NAMES or not SPEC_NAME.match(name):
        raise ValueError("the folder's name must be lower-case letters, digits and '-', and not python or python3")
    try:
        # A larger file is cut, so that it is not valid.
        raw, _ = read_ordinary(folder / "kernel.json", LARGEST_BYTES)
        data: Any = json.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ValueError(f"kernel.json: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"kernel.json is not valid JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("metadata"), dict):
        raise ValueError('kernel.json needs a metadata.kernelpod stanza with at least {"image": "..."}')
    if "kernelpod" not in data["metadata"]:
        raise ValueError('kernel.json has no metadata.kernelpod stanza; add one with at least {"image": "..."}')
    try:
        parsed = KernelJson.model_validate(data)
    except ValidationError as error:
        raise ValueError(f"kernel.json: {'; '.join(sentences(error, KernelJson))}") from error
    return variants(folder, parsed)


def variants(folder: Path, parsed: KernelJson) -> tuple[KernelSpec, ...]:
    """Return the kernelspec of a folder, followed by its profiles in the order of the file."""
    stanza = parsed.metadata.kernelpod
    whole = KernelSpec(
        spec=folder.name,
        display_name=parsed.display_name,
        language=parsed.language,
        argv=parsed.argv,
        env=parsed.env,
        interrupt_mode=parsed.interrupt_mode,
        transport=stanza.transport,
        debugger=parsed.metadata.debugger,
        supports_curve="curve" in parsed.metadata.supported_encryption,
        folder=folder,
        logos=tuple(name for name in LOGOS if (folder / name).is_file()),
        **{name: getattr(stanza, name) for name in Variant.model_fields},
    )
    profiles = [
        whole.model_copy(
            update={"profile": name, **{key: getattr(profile, key) for key in profile.model_fields_set}}
        )
        for name, profile in stanza.profiles.items()
    ]
    return (whole, *profiles)
