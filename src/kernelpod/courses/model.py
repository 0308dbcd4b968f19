"""The model of a courses file: a hub, its mode, its courses and their users."""

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
    """A list of users, in a file or in the courses file itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

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
    """Header of the column with the user names; upper and lower case do not matter."""
    lower_case: bool = True
    """Whether names in lists are converted to lower case, as most authenticators do."""
    max_bytes: Size = 8 * 1024 * 1024
    """Largest size of a list; a larger file is refused."""


class Storage(Section):
    """Where the folders of courses are."""

    root: AbsolutePath = "/srv/courses"
    """Folder that contains the folders of all courses; on NFS a path of the export, for a claim its root."""
    volume: SharedVolume = Volume(claim="courses")
    """The volume behind `root`."""


class ByRole(Section):
    """The access of each role to a folder."""

    student: Access = "ro"
    grader: Access = "rw"
    admin: Access = "rw"


class Folder(Section):
    """A folder on the storage of courses, mounted in servers and kernels."""

    path: FolderPath
    """Path below `storage.root`; it may contain {mode}, {semester}, {course} and {username}."""
    mount_path: MountPath
    """Path in servers and kernels; it may contain the same placeholders."""
    access: ByRole = ByRole()
    """`none`, `ro` or `rw` for `student`, `grader` and `admin`."""


class OnlyRead(ByRole):
    """The access of each role to a volume; read-only by default."""

    grader: Access = "ro"
    admin: Access = "ro"


class ExtraVolume(Section):
    """Another volume, besides the storage of courses, mounted in servers and kernels."""

    root: AbsolutePath | None = None
    """Folder on the volume; for a claim, the root of the claim. Absent for a ConfigMap, a Secret and `csi`."""
    mount_path: MountPath
    """Path in servers and kernels; it may contain {mode}, {semester}, {course} and {username}."""
    access: OnlyRead = OnlyRead()
    """`none`, `ro` or `rw` for `student`, `grader` and `admin`."""
    volume: MountedVolume
    """The volume, as in `mounts[].volume` of the settings."""

    @model_validator(mode="after")
    def _fits(self) -> ExtraVolume:
        access = self.access
        check_root(self.root, self.volume, writable="rw" in (access.student, access.grader, access.admin))
        return self


class Exchange(Section):
    """nbgrader's exchange: the folders for releasing, submitting and returning assignments."""

    path: FolderPath = "exchange/{semester}/{course}"
    """Path below `storage.root`. It contains the folders `inbound`, `outbound` and `feedback`."""
    mount_path: MountPath = "/srv/exchange/{course}"
    """Path in servers and kernels. Graders get the whole exchange; students get `inbound` (rw), `outbound` and
    `feedback` (ro)."""
    personalised: tuple[Literal["inbound", "outbound", "feedback"], ...] = ("inbound", "feedback")
    """Folders in which each student has their own subfolder and sees only that one."""
    closes_at: str = ""
    """When submission closes: ISO 8601 with a time zone, such as `2027-02-01T12:00:00+01:00`; empty: never."""

    @field_validator("closes_at", mode="before")
    @classmethod
    def _a_moment(cls, given: Any) -> str:
        text = given.isoformat() if isinstance(given, date) else str(given)  # YAML reads times by itself
        try:
            return moment(text).isoformat() if text else ""
        except ValueError as error:
            raise ValueError(f"write a time with its zone, such as 2027-02-01T12:00:00+01:00 ({error})") from error


class ServerResources(Section):
    """Resources of a server."""

    guarantee: Amounts = Amounts.model_validate({"cpu": "100m", "memory": "512Mi"})
    """Guaranteed CPU and memory."""
    limit: Amounts = Amounts.model_validate({"cpu": 1, "memory": "1Gi"})
    """The most CPU and memory that the server may use."""
    gpus: Gpus | None = None
    """GPUs of the server itself; kernelspecs set the GPUs of kernels."""
    shm: Bytes | None = None
    """Size of a memory volume at /dev/shm; it counts as memory of the server. Absent: the default of containers,
    64 MiB."""

    @model_validator(mode="after")
    def _ordered(self) -> ServerResources:
        for name in ("cpu", "memory"):
            if getattr(self.guarantee, name) > getattr(self.limit, name):
                raise ValueError(f"{name}: guarantee must be at most limit")
        if self.shm is not None and self.shm > self.limit.memory:
            raise ValueError("shm: it counts as memory, so it must be at most limit.memory")
        return self

    def shown(self) -> str:
        """Return the limits and GPUs as text for users."""
        gpus = f", {self.gpus.count} {self.gpus.resource}" if self.gpus else ""
        return f"{format_millicores(self.limit.cpu)} CPU, {format_bytes(self.limit.memory)}{gpus}"


class Role(Section):
    """Values for users with this role that replace those of the settings and of the course."""

    uid: Id | None = None
    """User id. It requires a home path with {course}, because a home has one owner."""
    gid: Id | None = None
    """Group id."""
    supplemental_groups: tuple[Id, ...] = ()
    """Supplemental group ids, in addition to those of the settings."""
    resources: ServerResources | None = None
    """Resources of servers."""
    kernelspecs: tuple[SpecAddress, ...] | None = None
    """Kernelspecs that users may start; empty: all kernelspecs for their groups."""


class Roles(Section):
    """Values that differ by role."""

    student: Role = Role()
    grader: Role = Role()
    admin: Role = Role()


class Course(Section):
    """A course, and what its users get. Each key may also be set in `defaults`."""

    title: Title | None = None
    """Title that users see; absent: the course's id."""
    semesters: tuple[Identifier, ...] = ()
    """Semesters that users choose from, the default first; empty: the hub's `semester`."""
    image: Image | None = None
    """Image of servers."""
    images: dict[Title, Image] = Field({})
    """Other images that users can choose, by the name that they see."""
    resources: ServerResources = ServerResources()
    """Resources of servers."""
    sizes: dict[Title, ServerResources] = Field({})
    """Other server sizes that users can choose, by the name that they see."""
    kernelspecs: tuple[SpecAddress, ...] = ()
    """Kernelspecs that users may start; empty: all kernelspecs for their groups."""
    network: Name | None = None
    """Egress profile of the chart, which says what kernels may reach; absent: that of the kernelspec."""
    node_selector: dict[LabelKey, LabelValue] = Field({})
    """Node selector of servers and kernels; labels of a kernelspec are merged over it."""
    tolerations: tuple[Toleration, ...] = ()
    """Tolerations of servers and kernels."""
    folder: Folder | None = None
    """The course's own folder; no other course may use it."""
    exchange: Exchange | None = None
    """The course's exchange for assignments; no other course may use it."""
    mounts: dict[Name, Folder] = Field({})
    """Other folders to mount, by name; courses may share them."""
    volumes: dict[Name, ExtraVolume] = Field({})
    """Other volumes to mount, by name, such as a ConfigMap or a Secret; courses may share them."""
    after_start: tuple[Annotated[str, Field(min_length=1, max_length=4096)], ...] = ()
    """Shell commands that run in the server after it has started."""
    students: Users = UserList()
    """Students: a list of names, or a CSV file whose path may contain {course} and {semester}."""
    graders: Users = UserList()
    """Graders, in the same form."""
    admins: Users = UserList()
    """Instructors in charge of the course, in the same form."""
    roles: Roles = Roles()
    """Ids, resources and kernelspecs by role."""


class HubFile(Section):
    """A courses file, merged with the files that it extends."""

    extends: str | None = None
    """File that this one extends. Mappings are merged, other values are replaced, and `null` removes a key."""
    hub: Name = "hub"
    """Name of the hub, as in `hubs[].name` of the gateway's settings."""
    mode: Mode = "teaching"
    """Mode of the hub. In an `exam` there is exactly one course with one semester, users have separate homes for
    the exam, and the course must name its `network` and its `kernelspecs`."""
    semester: Identifier = "current"
    """Semester of courses that do not name any."""
    home: HomePath | None = None
    """Path of homes below `homes.root` of the settings. Absent: as in the settings, or in exams
    `{mode}/{semester}/{course}/{username}`."""
    theme: Theme = Theme()
    storage: Storage = Storage()
    lists: Lists = Lists()
    allow: Users | None = None
    """Users who may use the hub, in addition to the admins; absent: all users who are in a course."""
    block: Users = UserList()
    """Users who may not use the hub, even if other lists name them."""
    admins: Users = UserList()
    """Admins of the hub. They have the role `admin` in every course."""
    offered: tuple[Identifier, ...] | None = None
    """Which of `courses` this hub offers; absent: all."""
    defaults: Course = Course()
    """Default values for every course."""
    courses: dict[Identifier, Course] = Field({})
    """The courses by their ids."""

    @property
    def home_template(self) -> str | None:
        """The path of homes below `homes.root`; None: as in the settings."""
        return self.home or ("{mode}/{semester}/{course}/{username}" if self.mode == "exam" else None)

    def offered_courses(self) -> dict[str, Course]:
        """Return the courses that this hub offers, by their ids, in the order of the file."""
        return {
            name: course for name, course in self.courses.items() if self.offered is None or name in self.offered
        }

    def semesters(self, course: Course) -> tuple[str, ...]:
        """Return the semesters of a course, the default first."""
        return course.semesters or (self.semester,)
