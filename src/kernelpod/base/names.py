"""Makes names of pods, labels, annotations and homes: defined for every input, unique, valid for Kubernetes.

Slugs follow KubeSpawner's "safe" scheme (kubespawner/slugs.py, `slug_scheme = "safe"`), so the spawner's
`{username}` and the gateway's folder are the same for every user name. A contract test compares the two.
"""

from __future__ import annotations

import hashlib
import re
import string

# Never change it: with another prefix the gateway would not find the running kernels.
PREFIX = "kernelpod.io"

LABEL_KERNEL_ID = f"{PREFIX}/kernel-id"
LABEL_HUB = f"{PREFIX}/hub"
LABEL_USER = f"{PREFIX}/user"
LABEL_SPEC = f"{PREFIX}/spec"
LABEL_NETWORK = f"{PREFIX}/network"
# On a kernel that may start executors of Spark, and on its executors: the name of the kernel's pod.
LABEL_DRIVER = f"{PREFIX}/driver"
# On a pod that was prewarmed, and on the note that it is its owner's kernel now: the release.
LABEL_SPARE = f"{PREFIX}/spare"
LABEL_TAKEN = f"{PREFIX}/taken"
LABEL_INSTANCE = "app.kubernetes.io/instance"
ANNOTATION_RECORD = f"{PREFIX}/record"
ANNOTATION_USER = f"{PREFIX}/username"
ANNOTATION_ADDRESS = f"{PREFIX}/address"
# On what kubectl applied of the gateway's chart: the gateway's namespace, "/", and the release.
ANNOTATION_RELEASE = f"{PREFIX}/release"
# KubeSpawner's annotation of claims and pods: the name of their user.
KUBESPAWNER_USER = "hub.jupyter.org/username"

USER_SLUG_LENGTH = 48  # KubeSpawner's limit for {username}
_HASH_LENGTH = 8
_OBJECT_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?\Z")
_POD_SLUG_LENGTH = 20


def safe_slug(name: str, max_length: int) -> str:
    """Return `name` if it is a DNS label of at most `max_length` characters, else a hashed slug.

    The slug is 1 to 63 characters of a-z, 0-9 and "-", starts with a letter and ends with a letter or
    digit. Names that contain "--" are always hashed, so no name equals the slug of another name.
    Raises ValueError if `max_length` is too small for the hash (the minimum is 12).
    """
    if "--" not in name and len(name) <= max_length and _OBJECT_NAME.match(name):
        return name
    room = max_length - (_HASH_LENGTH + 3)
    if room < 1:
        raise ValueError(f"{max_length} characters are too few for a hash")
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{_readable(name, room)}---{digest}"


def _readable(name: str, length: int) -> str:
    """Return the readable part of a hashed slug; it need not be unique."""
    text = re.sub(r"[^a-z0-9]+", "-", name.lower()).lstrip("-")[:length].rstrip("-")
    if text and not text[0].isalpha():
        text = "x-" + text[: length - 2]
    return text or "x"


def user_slug(username: str) -> str:
    """Return KubeSpawner's `{username}` for the hub's raw user name (at most 48 characters)."""
    return safe_slug(username, USER_SLUG_LENGTH)


def former_user_slug(username: str) -> str:
    """Return KubeSpawner's `{username}` before version 7 (its slug_scheme "escape")."""
    kept = string.ascii_lowercase + string.digits
    return "".join(one if one in kept else _escaped(one) for one in username)


def home_slug(username: str, scheme: str) -> str:
    """Return the name of a user's folder: KubeSpawner's `{username}` by its scheme "safe" or "escape"."""
    return former_user_slug(username) if scheme == "escape" else user_slug(username)


def _escaped(character: str) -> str:
    return "".join(f"-{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))


def server_log(username: str) -> str:
    """Return the file name of the log of a user's server, if each server has its own log file."""
    return f"server-{user_slug(username)}.log"


def pod_name(username: str, kernel_id: str, incarnation: str) -> str:
    """Return the name of a kernel's Secret and Pod: at most 63 characters, unique per start.

    `kernel_id` is a UUID, `incarnation` six hex digits that differ at each (re)start, because a restart
    creates the new pod while the old one terminates.
    """
    return f"k-{safe_slug(username, _POD_SLUG_LENGTH)}-{kernel_id.replace('-', '')}-{incarnation}"


def label_value(text: str) -> str:
    """Return `text` if it may be a label value, else its slug; empty text stays empty."""
    return text if not text or _LABEL_VALUE.match(text) else safe_slug(text, 63)


def release_labels(release: str) -> dict[str, str]:
    """Return the labels that identify the objects of all kernels of one installation."""
    return {
        "app.kubernetes.io/name": "kernelpod",
        LABEL_INSTANCE: release,
        "app.kubernetes.io/component": "kernel",
        "app.kubernetes.io/managed-by": "kernelpod",
    }


def lease_name(release: str) -> str:
    """Return the name of the Lease of an installation's gateways."""
    return f"{release}-gateway"


def lease_labels(release: str) -> dict[str, str]:
    """Return the labels of that Lease, which is no kernel's."""
    return {**release_labels(release), "app.kubernetes.io/component": "gateway"}


def selector(labels: dict[str, str]) -> str:
    """Return labels as the Kubernetes API's `labelSelector`."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def labels(
    release: str, hub: str, kind: str, name: str, spec: str, kernel_id: str, network: str
) -> dict[str, str]:
    """Return the labels of all objects of one kernel, including those recommended by Kubernetes.

    `kind` and `name` are the owner's. A service's label is no user's, because a slug contains no dot.
    """
    return {
        **release_labels(release),
        LABEL_NETWORK: network,
        LABEL_KERNEL_ID: kernel_id,
        LABEL_HUB: label_value(hub),
        LABEL_USER: user_slug(name) if kind == "user" else label_value(f"{kind}.{user_slug(name)}"),
        LABEL_SPEC: label_value(spec),
    }
