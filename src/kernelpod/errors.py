"""The errors that users and admins can see, with their stable codes and HTTP statuses.

KernelpodError
├── SettingsError                    the settings file cannot be used
├── RecordError                      a stored record cannot be read
└── UserError                        shown to the caller as JSON, with its HTTP status
    ├── BadRequest                   400  the request is malformed
    ├── NotProven                    401  no token, or one the hub does not know
    ├── Denied                       403  the caller is known, but not allowed
    ├── NotFound                     404  no such kernel or kernelspec, or another user's
    ├── StartFailed                  500  the kernel could not be started
    ├── HubUnavailable               503  the hub does not answer
    ├── GatewayUnavailable           503  no gateway leads at the moment
    └── StartTimeout                 504  the kernel did not answer in time
"""

from __future__ import annotations

CODES: dict[str, str] = {
    "bad_json": "The request body is not a JSON object of the form `{name, env}`.",
    "bad_env": "`env` is not a mapping of strings, or a value contains a character that is not allowed.",
    "value_too_long": "A value of `env` is longer than 4,096 characters.",
    "bad_wish": "A `KERNEL_*` value (CPU, memory, time-out) is not a number with a known unit.",
    "body_too_large": "The request body is larger than `gateway.max_body_bytes`.",
    "token_in_url": "The token was sent in the URL, so it may be in logs. Revoke it and use a header instead.",
    "access_revoked": "An admin has revoked the user's access; only a token that the hub knows after that works.",
    "no_token": "No `Authorization: token ...` header was sent.",
    "unknown_token": "The hub does not know the token, or it has expired.",
    "missing_scope": "The token is valid, but it lacks the scope `access:services!service=<name>`.",
    "not_permitted": "The caller lacks the scope that this page requires.",
    "foreign_username": "`KERNEL_USERNAME` is not the name of the token's user.",
    "foreign_home": "`KERNEL_PATH` is not the home of the token's user.",
    "kernelspec_forbidden": "The kernelspec is not for the user's groups or course.",
    "not_in_course": "The hub has courses, and the user is in no course, or not in the course of their server.",
    "right_withdrawn": "The kernel was started with a mount, user id, group, network, image or service account "
    "that its owner may no longer use.",
    "kernelspec_unusable": "The kernelspec's kernel.json cannot be used; the message says what is wrong in it.",
    "too_many_kernels": "The user, or all users together, already run as many kernels as the policy allows.",
    "out_of_bounds": "The kernel would get more than the bounds allow. A request over a kernelspec's bound is "
    "refused only if `policy.over_bounds` is `refuse`.",
    "encryption_required": "`kernels.encryption` is `required`, and `metadata.supported_encryption` of the "
    "kernelspec does not name `curve`.",
    "encryption_unsupported": "The kernelspec says that its kernel supports CurveZMQ, but the kernel does not.",
    "kernel_not_found": "The kernel does not exist or belongs to another user; the answer is the same for both.",
    "kernelspec_not_found": "The published folder has no such kernelspec.",
    "page_not_found": "The gateway has no such page.",
    "no_home": "The caller is a service of the hub, and services have no homes unless the settings give them.",
    "no_user_id": "The hub has a file of user ids, in which the user has none of their own.",
    "home_missing": "The user's home folder does not exist.",
    "home_not_shared": "The home is a claim made for another user, or not an NFS folder below `homes.root`.",
    "home_escapes": "The user's home or another mounted folder is or contains a symbolic link.",
    "command_not_found": "The kernelspec's command does not exist where the kernel runs.",
    "needs_a_pod": "The kernelspec needs GPUs, a service account or Secrets, which only a cluster has.",
    "sandbox_missing": "`runtime.local.sandbox` is `required`, but bubblewrap cannot be used on this machine.",
    "kernel_exited": "The kernel's process ended before it answered.",
    "disk_full": "The kernel's process ended because the home, or the kernel's own disk, is full.",
    "kernel_start_failed": "The runtime could not start the kernel.",
    "image_unavailable": "The kernel's image cannot be pulled.",
    "unschedulable": "No node of the cluster can run the kernel.",
    "mount_failed": "A folder of the kernel cannot be mounted.",
    "container_refused": "The kernel's container cannot be created; the message is the node's.",
    "site_container_failed": "A container that the site adds (`pods.kernels`) failed or cannot be created.",
    "quota_exceeded": "The quota for kernels is used up: the ResourceQuota of their namespace.",
    "refused_by_cluster": "The cluster does not allow the kernel's pod; the message is the API server's.",
    "out_of_memory": "The kernel used more memory than its limit.",
    "evicted": "The cluster stopped the kernel by evicting its pod.",
    "pod_deleted": "The kernel's pod was deleted, but not by the gateway.",
    "interrupt_unsupported": "The kernel can only be interrupted by signals, which the operator has not enabled.",
    "cluster_unavailable": "The cluster's API server does not answer. Running kernels continue.",
    "start_timeout": "The kernel runs but did not answer kernel_info within the launch time-out.",
    "hub_unavailable": "The hub does not answer, so tokens cannot be checked and no new kernel can be started.",
    "gateway_unavailable": "Of several gateways none leads at the moment; one of them will.",
    "too_many_connections": "The user has `gateway.max_connections_per_user` connections, websockets included.",
    "too_many_starts": "Too many requests for a kernel are under way, of the user or in all.",
    "hub_answer_invalid": "The hub's answer about the caller cannot be used: too long, or nested too deep.",
    "tools_missing": "Programs that the command needs are missing; the message says how to install them.",
    "internal": "An error inside the gateway; the operator's log has the details at the time of the request.",
}
# Codes of what is wrong in the folders of one user, who may have brought it about.
OF_FOLDERS = frozenset(("home_missing", "home_escapes"))


class KernelpodError(Exception):
    """An error whose message may be shown to users; `detail` is only for the operator's log."""

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail


class SettingsError(KernelpodError):
    """The settings cannot be used; the message names the file, the key and the next step."""


class RecordError(KernelpodError):
    """A kernel's stored record is damaged or of an unknown version; the kernel is left alone."""


class UserError(KernelpodError):
    """An error with an HTTP status, a stable `code` from CODES, and a message that says what to do."""

    status = 500

    def __init__(self, code: str, message: str, *, detail: str = "") -> None:
        super().__init__(message, detail=detail)
        if code not in CODES:
            raise ValueError(f"undocumented error code {code!r}")
        self.code = code

    def body(self) -> dict[str, str]:
        """Return the JSON body of the response; JupyterLab shows `reason` or `message`, so both are the same."""
        return {"reason": self.message, "message": self.message, "code": self.code}


class BadRequest(UserError):
    """The request is malformed; nothing else was checked."""

    status = 400


class NotProven(UserError):
    """The request has no token, or one that the hub does not know."""

    status = 401


class Denied(UserError):
    """The caller is known but not allowed to do this; nothing was started."""

    status = 403


class NotFound(UserError):
    """The named kernel, kernelspec or page does not exist for this caller."""

    status = 404


class StartFailed(UserError):
    """The kernel could not be started; everything created for it was removed."""

    status = 500


class HubUnavailable(UserError):
    """The hub does not answer; retry after `retry_after_seconds`."""

    status = 503
    retry_after_seconds = 5


class GatewayUnavailable(UserError):
    """None of several gateways runs the kernels at the moment; the caller can try again soon."""

    status = 503


class TooMany(UserError):
    """The caller has too many of something; they can try again when they have fewer."""

    status = 429


class StartTimeout(UserError):
    """The kernel did not answer in time; everything created for it was removed."""

    status = 504


def kernel_not_found(kernel_id: str) -> NotFound:
    """Return the error for a kernel that does not exist, no longer exists, or belongs to another user."""
    return NotFound("kernel_not_found", f"Kernel does not exist: {kernel_id}")


def access_revoked() -> NotProven:
    """Return the error for a caller whose access an admin has just ended."""
    return NotProven("access_revoked", "An admin has ended your access. Ask them; then log in to the hub again.")


def home_missing(
    what: str, *, lacks: str = "does not exist yet", by_admin: bool = False, makes: str = "", detail: str = ""
) -> StartFailed:
    """Return the error for a missing home: "Your `what` `lacks`", followed by what the user can do.

    `by_admin` is for homes that the hub may not create according to the settings; `makes` is the command with
    which an admin makes it.
    """
    ask = f"ask an admin to run `{makes}`" if makes else "ask an admin"
    remedy = f"It is created when your server starts. Restart your server; if it is still missing, {ask}."
    if by_admin:
        remedy = "An admin must create it: the hub creates no folders here (homes.create_local)."
    return StartFailed("home_missing", f"Your {what} {lacks}. {remedy}", detail=detail)
