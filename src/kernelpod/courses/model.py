"""The form of a courses file: one hub, its mode, its courses, and who is in them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from kernelpod.base.fields import AbsolutePath, Image, Name, Section, Size
from kernelpod.base.podkeys import LabelKey, LabelValue, Toleration
from kernelpod.base.quantities import Bytes, format_bytes, format_millicores
from kernelpod.courses.fields import FolderPath, HomePath, Id, Identifier, MountPath, SpecAddress, Title
from kernelpod.courses.theme import Theme
from kernelpod.grading.submissions.receipt import moment
from kernelpod.homes.volumes import MountedVolume, SharedVolume, Volume, check_root
from kernelpod.kernelspecs.resources import Amounts, Gpus

Mode = Literal["teaching", "exam", "research"]
Access = Literal["none", "ro", "rw"]
MODES: tuple[Mode, ...] = get_args(Mode)


def _user_list(value: Any) -> Any:
    if isinstance(value, str):
        return {"file": value}
    if isinstance(value, list):
        return {"names": value}
    if isinstance(value, UserList):
        return value
    raise ValueError("write the path of a CSV file, or a list of user names")


class UserList(BaseModel):
    """Users, in a file or in place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = Field("", max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")
    """CSV file, or a folder of them; relative to the courses file."""
    names: tuple[Title, ...] = ()
    """User names as the hub spells them."""


Users = Annotated[
    UserList,
    BeforeValidator(_user_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


class Lists(Section):
    """How lists of users are read."""

    column: str = Field("Username", min_length=1)
    """Header of the column that holds user names; upper and lower case do not matter."""
    lower_case: bool = True
    """Names in lists are read in lower case, as most authenticators make them."""
    max_bytes: Size = 8 * 1024 * 1024
    """A larger file is not read."""


class Storage(Section):
    """Where the folders of courses lie."""

    root: AbsolutePath = "/srv/courses"
    """Folder above all of them; on NFS a path of the export, for a claim where the claim begins."""
    volume: SharedVolume = Volume(claim="courses")
    """The storage behind `root`."""


class ByRole(Section):
    """How far each role may go in a folder."""

    student: Access = "ro"
    grader: Access = "rw"
    admin: Access = "rw"


class Folder(Section):
    """A folder of the storage, in server and kernels."""

    path: FolderPath
    """Folder below `storage.root`; it may hold {mode}, {semester}, {course} and {username}."""
    mount_path: MountPath
    """Where server and kernels see it; it may hold the same."""
    access: ByRole = ByRole()
    """`none`, `ro` or `rw` for `student`, `grader` and `admin`."""


class OnlyRead(ByRole):
    """How far each role may go in a volume, if nothing is said."""

    grader: Access = "ro"
    admin: Access = "ro"


class ExtraVolume(Section):
    """A volume beside the storage of the courses, in server and kernels."""

    root: AbsolutePath | None = None
    """Folder on the volume; for a claim, where the claim begins. Absent for a ConfigMap, a Secret and `csi`."""
    mount_path: MountPath
    """Where server and kernels see it; it may hold {mode}, {semester}, {course} and {username}."""
    access: OnlyRead = OnlyRead()
    """`none`, `ro` or `rw` for `student`, `grader` and `admin`."""
    volume: MountedVolume
    """What is mounted, as `mounts[].volume` of the settings."""

    @model_validator(mode="after")
    def _fits(self) -> ExtraVolume:
        access = self.access
        check_root(self.root, self.volume, writable="rw" in (access.student, access.grader, access.admin))
        return self


class Exchange(Section):
    """nbgrader's folders for handing out, handing in and giving back."""

    path: FolderPath = "exchange/{semester}/{course}"
    """Folder below `storage.root`; below it are `inbound`, `outbound` and `feedback`."""
    mount_path: MountPath = "/srv/exchange/{course}"
    """Where graders see all of it, and students `inbound` (rw), `outbound` and `feedback` (ro)."""
    personalised: tuple[Literal["inbound", "outbound", "feedback"], ...] = ("inbound", "feedback")
    """Of these a student sees only the folder with their name, and nobody else's."""
    closes_at: str = ""
    """When submitting closes: ISO 8601 with a zone, such as `2027-02-01T12:00:00+01:00`; empty: never."""

    @field_validator("closes_at", mode="before")
    @classmethod
    def _a_moment(cls, given: Any) -> str:
        text = given.isoformat() if isinstance(given, date) else str(given)  # YAML reads times by itself
        try:
            return moment(text).isoformat() if text else ""
        except ValueError as error:
            raise ValueError(f"write a time with its zone, such as 2027-02-01T12:00:00+01:00 ({error})") from error


class ServerResources(Section):
    """What a server is guaranteed and may use."""

    guarantee: Amounts = Amounts.model_validate({"cpu": "100m", "memory": "512Mi"})
    """Guaranteed."""
    limit: Amounts = Amounts.model_validate({"cpu": 1, "memory": "1Gi"})
    """The most it may use."""
    gpus: Gpus | None = None
    """GPUs of the server itself; those of kernels are the kernelspec's."""
    shm: Bytes | None = None
    """Size of a memory volume at /dev/shm; it counts as the server's memory. Absent: the 64 MiB of a container."""

    @model_validator(mode="after")
    def _ordered(self) -> ServerResources:
        for name in ("cpu", "memory"):
            if getattr(self.guarantee, name) > getattr(self.limit, name):
                raise ValueError(f"{name}: guarantee must be at most limit")
        if self.shm is not None and self.shm > self.limit.memory:
            raise ValueError("shm: it counts as memory, so it must be at most limit.memory")
        return self

    def shown(self) -> str:
        """Return the size in words."""
        gpus = f", {self.gpus.count} {self.gpus.resource}" if self.gpus else ""
        return f"{format_millicores(self.limit.cpu)} CPU, {format_bytes(self.limit.memory)}{gpus}"


class Role(Section):
    """What one role has instead of what the settings and the course say."""

    uid: Id | None = None
    """User id; needs a home with {course}, since a home has one owner."""
    gid: Id | None = None
    """Group id."""
    supplemental_groups: tuple[Id, ...] = ()
    """Further group ids."""
    resources: ServerResources | None = None
    """Size of servers."""
    kernelspecs: tuple[SpecAddress, ...] | None = None
    """Kernelspecs; empty: all that the user may have."""


class Roles(Section):
    """What differs by role."""

    student: Role = Role()
    grader: Role = Role()
    admin: Role = Role()


class Course(Section):
    """One course, and what its users get; all of it may stand in `defaults` too."""

    title: Title | None = None
    """What users see; absent: the course's id."""
    semesters: tuple[Identifier, ...] = ()
    """Semesters to choose from, the usual one first; empty: the hub's."""
    image: Image | None = None
    """Image of servers."""
    images: dict[Title, Image] = Field({})
    """Further images to choose from, by the name that users see."""
    resources: ServerResources = ServerResources()
    """Size of servers."""
    sizes: dict[Title, ServerResources] = Field({})
    """Further sizes to choose from, by the name that users see."""
    kernelspecs: tuple[SpecAddress, ...] = ()
    """Kernelspecs of the course; empty: all that the user may have."""
    network: Name | None = None
    """What kernels may reach, by the name of an egress profile of the chart; absent: what the kernelspec says."""
    node_selector: dict[LabelKey, LabelValue] = Field({})
    """Labels of the nodes that servers and kernels run on; a kernelspec's own come on top."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints of nodes that servers and kernels do not mind."""
    folder: Folder | None = None
    """The course's own folder; no other course may have the same."""
    exchange: Exchange | None = None
    """Handing out and in; no other course may have the same."""
    mounts: dict[Name, Folder] = Field({})
    """Further folders, by name; courses may share them."""
    volumes: dict[Name, ExtraVolume] = Field({})
    """Further volumes, by name, such as a ConfigMap or a Secret; courses may share them."""
    after_start: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = ()
    """Shell commands that run in the server once it has started."""
    students: Users = UserList()
    """A CSV file, whose path may hold {course} and {semester}, or a list of names."""
    graders: Users = UserList()
    """The same for those who grade."""
    admins: Users = UserList()
    """The same for those who lead the course."""
    roles: Roles = Roles()
    """Ids, sizes and kernelspecs by role."""


class HubFile(Section):
    """A courses file, with all that it extends."""

    extends: str | None = None
    """File that this one is laid over: mappings are merged, the rest is replaced, `null` takes a key away."""
    hub: Name = "hub"
    """Name of the hub; `hubs[].name` of the gateway's settings."""
    mode: Mode = "teaching"
    """`exam`: one course, one semester, homes of their own, and a network that is named."""
    semester: Identifier = "current"
    """The semester of courses that name none."""
    home: HomePath | None = None
    """Home below `homes.root` of the settings; absent: the settings' own, in exams
    `{mode}/{semester}/{course}/{username}`."""
    theme: Theme = Theme()
    storage: Storage = Storage()
    lists: Lists = Lists()
    allow: Users | None = None
    """Who may use the hub at all, beside the admins; absent: everybody who is in a course."""
    block: Users = UserList()
    """Who may not, whatever else is said of them."""
    admins: Users = UserList()
    """Admins of the hub; in every course they have the role `admin`."""
    offered: tuple[Identifier, ...] | None = None
    """The courses of this hub, of all below; absent: all."""
    defaults: Course = Course()
    """What is below every course."""
    courses: dict[Identifier, Course] = Field({})
    """The courses, by their id."""

    @property
    def home_template(self) -> str | None:
        """The home below `homes.root`; None: what the settings say."""
        return self.home or ("{mode}/{semester}/{course}/{username}" if self.mode == "exam" else None)

    def offered_courses(self) -> dict[str, Course]:
        """Return the courses of this hub, by their id, in the order of the file."""
        return {
            name: course for name, course in self.courses.items() if self.offered is None or name in self.offered
        }

    def semesters(self, course: Course) -> tuple[str, ...]:
        """Return the semesters of a course, the usual one first."""
        return course.semesters or (self.semester,)
