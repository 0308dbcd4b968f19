"""Settings of the hubs that the gateway serves, of authentication, and of single-user servers."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from kernelpod.base.fields import AbsolutePath, Name, ObjectPattern, Seconds, Section, Url
from kernelpod.base.files import read_ordinary
from kernelpod.errors import SettingsError
from kernelpod.homes.volumes import canonical_server
from kernelpod.settings.subdomains import HostUrl

MAX_TOKEN_BYTES = 65_536


class NfsFolder(Section):
    """A folder of an NFS server."""

    server: str = Field(pattern=r"^[A-Za-z0-9.:-]+$")
    """The server's name or address."""
    root: AbsolutePath
    """The folder, as a path of the export."""


class Hub(Section):
    """A JupyterHub whose users may start kernels."""

    name: Name = "hub"
    """Name of the hub in records, labels and logs. It is part of every kernel's owner, so never reuse a name."""
    api_url: Url = "http://127.0.0.1:8081/hub/api"
    """URL of the hub's REST API as the gateway reaches it; across namespaces
    `http://hub.<namespace>:8081/hub/api`."""
    ca_file: Path | None = None
    """Certificates of the authorities that `api_url` is checked by if it is HTTPS (PEM). Absent: the system's."""
    cert_file: Path | None = None
    """Certificate that the gateway shows to the hub (PEM), as a hub with `JupyterHub.internal_ssl` asks of its
    clients. It is read at each request."""
    key_file: Path | None = None
    """The certificate's private key."""
    service: Name = "kernelpod"
    """Name of the gateway's service in the hub's configuration. Callers need the scope
    `access:services!service=<name>`."""
    token: SecretStr | None = None
    """API token of the service, used for the check at start. Prefer `token_file`."""
    token_file: Path | None = None
    """File that holds the API token of the service."""
    admin_token_file: Path | None = None
    """File that holds the API token of an admins' service, which the hub then has as `<service>-admin` and
    `kernelpod users revoke` uses. Only the hub and admins need to read it, never the gateway."""
    timeout_seconds: Seconds = 5
    """How long one request to the hub may take."""
    subdomain_host: HostUrl | None = None
    """The hub's URL in browsers, such as `https://hub.example.org`. With it, each server has a host of its own
    (`https://alice.hub.example.org`), so that no user's page can act as another user. Names and certificate must
    also cover `*.hub.example.org`. Absent: hub and servers share one origin."""
    user_ids: Path | None = None
    """File in the form of passwd(5), `name:x:uid:gid`, such as `getent passwd` prints. Servers and kernels of each
    user have the ids in it, unless a rule sets others; nothing starts for a user whom it does not name. The hub
    and the gateway both read it, and again when it has changed; replace it as a whole. Absent: all have the ids of
    `policy`."""
    courses: Path | None = None
    """Path of the hub's courses file; the hub and the gateway both read it. Absent: the hub has no courses."""
    courses_may_mount: tuple[ObjectPattern, ...] = ()
    """Objects of the cluster that the courses file may mount, besides the claim `courses`: `secret/licence-*`,
    `pvc/data`, `config_map/pip`, `csi/<driver>`. `*` matches any text, including the names of the hub's own
    Secrets."""

    courses_nfs: tuple[NfsFolder, ...] = ()
    """Folders of NFS servers that the courses file may mount, each with all that is below it. A server that the
    courses file spells in other letters, with a final dot, or as the same address in another form, is mounted as
    it is spelled here."""
    courses_folders: tuple[AbsolutePath, ...] = ()
    """Folders that the lists of users and the logo of the courses file may be in, besides its own folder. Links in
    them are not followed."""

    @model_validator(mode="after")
    def _one_token(self) -> Hub:
        if self.token and self.token_file:
            raise ValueError("give token or token_file, not both")
        return self

    @model_validator(mode="after")
    def _certificate_and_key(self) -> Hub:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both")
        return self

    def may_mount(self, kind_and_name: str) -> bool:
        """Return whether the courses file may mount this object of the cluster, such as `secret/licence`."""
        allowed = ("pvc/courses", *self.courses_may_mount)
        return any(fnmatchcase(kind_and_name, pattern) for pattern in allowed)

    def nfs_folder(self, server: str, root: str) -> NfsFolder | None:
        """Return the entry that lets the courses file mount this folder of an NFS server, or None."""
        canonical = canonical_server(server)
        fitting = (one for one in self.courses_nfs if canonical_server(one.server) == canonical)
        return next((one for one in fitting if f"{root}/".startswith(f"{one.root.rstrip('/')}/")), None)

    @property
    def base_path(self) -> str:
        """The hub's base URL as the path of `api_url` tells it, such as `/`; empty if that is another path."""
        before, found, _ = urlsplit(self.api_url).path.partition("hub/api")
        return before if found else ""

    def service_token(self) -> SecretStr | None:
        """Return the API token of the gateway's service, or None if none is configured.

        Raises SettingsError if the token file cannot be read or is empty.
        """
        return self.token if self.token_file is None else read_token(self.token_file, "hubs.token_file")

    def admin_token(self) -> SecretStr | None:
        """Return the API token of the admins' service, or None if none is configured. Raises SettingsError."""
        path = self.admin_token_file
        return None if path is None else read_token(path, "hubs.admin_token_file")


def read_token(path: Path, key: str) -> SecretStr:
    """Return the token in a file that `key` names. Raises SettingsError if it cannot be read or is empty."""
    try:
        text = read_ordinary(path, MAX_TOKEN_BYTES)[0].decode("utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{key} {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"{key} {path} is not UTF-8") from None
    if not text:
        raise SettingsError(f"{key} {path} is empty; write the service's token into it")
    return SecretStr(text)


class IdentitySettings(Section):
    """How callers are authenticated."""

    cache_seconds: Seconds = 30
    """How long the hub's answer for a token is cached."""
    negative_cache_seconds: Seconds = 5
    """How long the hub's refusal of a token is cached."""
    stale_seconds: Seconds = 600
    """How long a token that was valid may still use its owner's running kernels while the hub does not answer."""
    recheck_seconds: Seconds = 60
    """How often the token of an open websocket is checked again."""
    admin_scope: str = Field("custom:kernelpod:admin", min_length=1)
    """Scope whose holders may see and stop every kernel of the hub, and revoke its users."""
    metrics_scope: str = Field("read:metrics", min_length=1)
    """Scope whose holders may read `/metrics`."""


class Servers(Section):
    """How single-user servers are configured."""

    gateway_url: Url = "http://127.0.0.1:8888"
    """URL of the gateway as servers reach it; across namespaces `http://<service>.<namespace>:8888`."""
    gateway_ca_file: AbsolutePath | None = None
    """Path, as servers see it, of the certificates of the authorities that `gateway_url` is checked by if it is
    HTTPS (PEM). Absent: the system's."""
    connect_timeout_seconds: Seconds = 10
    """How long connecting to the gateway may take."""
    grace_period_seconds: Seconds = 30
    """How long a server may take to stop. It deletes its kernels one after another in this time."""
    orphan_seconds: float = Field(300, ge=0)
    """Kernels are ended when the hub has not listed their server for this long; 0 never ends them. The gateway's
    service needs the scope `read:servers` for this."""
    found_kernels: Literal["keep", "end"] = "keep"
    """What a server does when it starts with kernels that an earlier one of the same name, which was killed, left
    running. `keep`: it lists them with their notebooks. `end`: it ends them."""
    extra_token_scopes: tuple[str, ...] = ()
    """Scopes that every server's token gets in addition to the three that it needs."""
    extension: bool = True
    """Whether kernelpod is installed in the servers' environment. If false, servers log only warnings, because
    jupyter_server writes every token of its environment to its log at each kernel start."""
