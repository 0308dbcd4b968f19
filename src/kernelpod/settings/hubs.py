"""Which hubs the gateway serves, how their users are proven, and what their servers are told."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from kernelpod.base.fields import Name, ObjectPattern, Seconds, Section
from kernelpod.errors import SettingsError


class Hub(Section):
    """A JupyterHub whose users may start kernels."""

    name: Name = "hub"
    """Name of the hub in records, labels and logs; part of every owner, so never reuse one."""
    api_url: str = Field("http://127.0.0.1:8081/hub/api", pattern=r"^https?://[^\s?#]+$")
    """Where the gateway reaches the hub's REST API; across namespaces `http://hub.<namespace>:8081/hub/api`."""
    service: Name = "kernelpod"
    """Name of the hub service that stands for the gateway; callers need `access:services!service=<it>`."""
    token: SecretStr | None = None
    """The service's own token, for the check at start; better given as `token_file`."""
    token_file: Path | None = None
    """File that holds the service's own token."""
    timeout_seconds: Seconds = 5
    """How long one question to the hub may take."""
    courses: Path | None = None
    """Courses file of the hub, where hub and gateway both read it; absent: a hub without courses."""
    courses_may_mount: tuple[ObjectPattern, ...] = ()
    """What of the cluster its courses file may name beside the claim `courses`: `secret/licence-*`, `pvc/data`,
    `config_map/pip`, `csi/<driver>`. `*` is any text; the hub's own Secrets are such objects, too."""

    @model_validator(mode="after")
    def _one_token(self) -> Hub:
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        return self

    def may_mount(self, kind_and_name: str) -> bool:
        """Return whether its courses file may name this object of the cluster."""
        allowed = ("pvc/courses", *self.courses_may_mount)
        return any(fnmatchcase(kind_and_name, pattern) for pattern in allowed)

    def service_token(self) -> SecretStr | None:
        """Return the service's own token, or None where none is configured.

        Raises SettingsError if the token file cannot be read or is empty.
        """
        if self.token_file is None:
            return self.token
        try:
            text = self.token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(f"hubs.token_file {self.token_file}: {error.strerror}") from error
        if not text:
            raise SettingsError(f"hubs.token_file {self.token_file} is empty; write the service's token into it")
        return SecretStr(text)


class IdentitySettings(Section):
    """How callers are proven."""

    cache_seconds: Seconds = 30
    """How long the hub's answer for a token is used without asking again."""
    negative_cache_seconds: Seconds = 5
    """How long a refused token is refused without asking again."""
    stale_seconds: Seconds = 600
    """While the hub cannot be asked: how long a proven token still reaches the kernels it owns."""
    recheck_seconds: Seconds = 60
    """How often the token behind an open websocket is proven again."""
    admin_scope: str = Field("custom:kernelpod:admin", min_length=1)
    """Who holds this scope sees and stops every kernel of the hub."""
    metrics_scope: str = Field("read:metrics", min_length=1)
    """Who holds this scope may read `/metrics`."""


class Servers(Section):
    """What single-user servers are told by the hub."""

    gateway_url: str = Field("http://127.0.0.1:8888", pattern=r"^https?://[^\s?#]+$")
    """Where servers reach the gateway; across namespaces `http://<service>.<namespace>:8888`."""
    connect_timeout_seconds: Seconds = 10
    """How long connecting to the gateway may take."""
    grace_period_seconds: Seconds = 30
    """How long a stopping server may take; it deletes its kernels one after another meanwhile."""
    orphan_seconds: float = Field(300, ge=0)
    """Kernels whose server the hub has not listed for this long are ended; 0 leaves them. The gateway's service
    needs the scope `read:servers` for it."""
    extra_token_scopes: tuple[str, ...] = ()
    """Further scopes for every server's token, beside the three that are needed."""
    extension: bool = True
    """Whether kernelpod is installed beside jupyter_server; without it servers log warnings only, since
    jupyter_server writes every token of its environment to its log at each kernel start."""
