"""Every error a user or an admin can meet: one class a kind, one stable code, one HTTP status.

KernelpodError
├── SettingsError                    the settings file cannot be used
├── RecordError                      a stored record cannot be read
└── UserError                        shown to the caller as JSON, with its HTTP status
    ├── BadRequest                   400  the request itself is malformed
    ├── NotProven                    401  no token, or one the hub does not know
    ├── Denied                       403  proven, but policy says no
    ├── NotFound                     404  no such kernel or kernelspec, or not yours
    ├── StartFailed                  500  the kernel could not be started
    ├── HubUnavailable               503  the hub cannot be asked
    └── StartTimeout                 504  the kernel did not answer in time
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "bad_json": "The request body is not a JSON object, or not of the form `{name, env}`.",
    "bad_env": "`env` is not a mapping of strings, or a value holds a character that no kernel may get.",
    "value_too_long": "A value of `env` is longer than 4,096 characters.",
    "bad_wish": "A `KERNEL_*` wish (CPU, memory, time-out) is not a number with a known unit.",
    "body_too_large": "The request body is larger than `gateway.max_body_bytes`.",
    "token_in_url": "The token came in the URL. It is in logs now: revoke it and send it in a header.",
    "no_token": "No `Authorization: token ...` header was sent.",
    "unknown_token": "The hub does not know the token, or it has expired.",
    "missing_scope": "The hub knows the token, but it does not hold `access:services!service=<name>`.",
    "not_permitted": "The caller lacks the scope that this page asks for.",
    "foreign_username": "`KERNEL_USERNAME` names somebody else than the hub does.",
    "foreign_home": "`KERNEL_PATH` is not the home of the user whom the hub names.",
    "kernelspec_forbidden": "The kernelspec is for groups that the user is not in.",
    "not_in_course": "The hub has courses, and the user is in none, or not in the one that the server is for.",
    "kernelspec_unusable": "The kernelspec's kernel.json cannot be used; the message says what is wrong in it.",
    "too_many_kernels": "The user, or everybody together, already runs as many kernels as policy allows.",
    "out_of_bounds": "A wished resource is over the kernelspec's bound and `policy.over_bounds` is `refuse`.",
    "kernel_not_found": "There is no such kernel, or it is somebody else's: the two look the same.",
    "kernelspec_not_found": "There is no such kernelspec in the published folder.",
    "page_not_found": "The gateway has no such page.",
    "home_missing": "The user's home folder does not exist.",
    "home_not_shared": "The user's home is a claim whose volume is no NFS folder below `homes.root`.",
    "home_escapes": "The user's home is a symbolic link, or reaches outside `homes.root`.",
    "command_not_found": "The kernelspec's command does not exist where the kernel runs.",
    "needs_a_pod": "The kernelspec needs GPUs or Secrets, and kernels run as processes of this machine here.",
    "sandbox_missing": "`runtime.local.sandbox` is `required` and bubblewrap cannot be used here.",
    "kernel_exited": "The kernel's process ended before it answered.",
    "kernel_start_failed": "The runtime refused to start the kernel.",
    "image_unavailable": "The kernel's image cannot be pulled.",
    "unschedulable": "No node of the cluster has room for the kernel.",
    "mount_failed": "A folder of the kernel cannot be mounted.",
    "container_refused": "The kernel's container cannot be made; the message is the node's.",
    "site_container_failed": "A container of the site's (`pods.kernels`) keeps the kernel from starting.",
    "quota_exceeded": "The namespace of the kernels has no quota left.",
    "refused_by_cluster": "The API server does not admit the kernel's pod; the message is the server's.",
    "out_of_memory": "The kernel used more memory than its limit.",
    "evicted": "The cluster took the kernel's pod away.",
    "pod_deleted": "The kernel's pod was deleted by somebody else than the gateway.",
    "interrupt_unsupported": "The kernel knows only signals, and the operator has not allowed to send them.",
    "cluster_unavailable": "The Kubernetes API server does not answer; running kernels go on.",
    "start_timeout": "The kernel runs but did not answer kernel_info within the launch time-out.",
    "hub_unavailable": "The hub did not answer; nobody can be proven, so nothing new is allowed.",
    "tools_missing": "Programs that the command needs are not there; the message says what installs them here.",
    "internal": "An error inside the gateway; the operator's log has it under the request's time.",
}


class KernelpodError(Exception):
    """An error whose text may be shown; `detail` is for the operator's log only."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class SettingsError(KernelpodError):
    """The settings cannot be used; the message names the file, the key and the next step."""


class RecordError(KernelpodError):
    """A kernel's stored record is damaged or of an unknown version; the kernel is left alone."""


class UserError(KernelpodError):
    """An error with an HTTP status, a stable `code` of CODES and a sentence that says what to do."""

    status = 500

    def __init__(self, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        if code not in CODES:
            raise ValueError(f"undocumented error code {code!r}")
        self.code = code

    def body(self) -> dict[str, str]:
        """Return the JSON a client gets; Lab shows `reason` or `message`, so both carry the sentence."""
        return {"reason": self.message, "message": self.message, "code": self.code}


class BadRequest(UserError):
    """The request is malformed; nothing was looked at beyond its form."""

    status = 400


class NotProven(UserError):
    """Nobody is behind this request as far as the hub can tell."""

    status = 401


class Denied(UserError):
    """The caller is known and policy says no; nothing was started."""

    status = 403


class NotFound(UserError):
    """What was named does not exist for this caller."""

    status = 404


class StartFailed(UserError):
    """The kernel could not be started; everything made for it was removed."""

    status = 500


class HubUnavailable(UserError):
    """The hub cannot be asked; retry after `retry_after_seconds`."""

    status = 503
    retry_after_seconds = 5


class StartTimeout(UserError):
    """The kernel did not answer in time; everything made for it was removed."""

    status = 504


def kernel_not_found(kernel_id: str) -> NotFound:
    """Return the one answer for kernels that are gone, never were, or belong to somebody else."""
    return NotFound("kernel_not_found", f"Kernel does not exist: {kernel_id}")


def home_missing(
    what: str, *, lacks: str = "does not exist yet", by_admin: bool = False, detail: str = ""
) -> StartFailed:
    """Return the one answer where a user's home is not there: `what` and what it lacks, and what the user does.

    `by_admin` is for homes that the hub does not make, because the settings say so.
    """
    remedy = (
        "It is made when your server starts: stop and start your server, and ask an admin if it stays missing."
    )
    if by_admin:
        remedy = "An admin must make it: the hub makes no folders here (homes.create_local)."
    return StartFailed("home_missing", f"Your {what} {lacks}. {remedy}", detail=detail)
