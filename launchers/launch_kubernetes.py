"""Creates a kernel's pod for a stock Enterprise Gateway 3.3.0. A kernel.json has this script as its command.

launch_kubernetes.py RESOURCE_DIR KERNEL_ID RESPONSE_ADDRESS PUBLIC_KEY

The hub's signed identity, kernel.json and settings.json (beside this file) define the kernel's user and home. The
client's values are only compared with them, never used. The script must be fast, because the gateway runs it for
every start: it makes one request and does not import the Kubernetes client, which takes a second of CPU time.
"""

from __future__ import annotations

import getpass
import http.client
import json
import os
import re
import secrets
import ssl
import sys
import time
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from signed_identity import SignedIdentity, SignedIdentityError, read_signed_identity

HERE = Path(__file__).resolve().parent
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
KEY_VARIABLE = "KERNELPOD_IDENTITY_KEY"
API_SECONDS = 10
NOBODY = 65534
PORTS = {"shell": 20001, "iopub": 20002, "stdin": 20003, "control": 20004, "hb": 20005, "comm": 20006}


class Failed(Exception):
    """The pod cannot be created; the message is for the gateway's log."""


class Refused(Exception):
    """The start is not allowed; the message is for the user."""


class Start(NamedTuple):
    """The gateway's arguments for a start."""

    resource_dir: Path
    kernel_id: str
    response_address: str
    public_key: str


def main(argv: list[str], environment: dict[str, str]) -> int:
    """Return 0 if a pod was created, else 1; the gateway's log then has the reason."""
    try:
        start = Start(Path(argv[0]), *argv[1:])
        spec, settings = read_json(start.resource_dir / "kernel.json"), read_json(HERE / "settings.json")
        namespace = placed(spec, environment)
        try:
            pod = kernel_pod(start, spec, settings, proven(environment, settings, time.time()), environment)
        except (SignedIdentityError, Refused) as refusal:
            sys.stderr.write(f"kernel {start.kernel_id} refused: {refusal}\n")
            pod = refusal_pod(start, spec, str(refusal))
        create(pod, namespace, environment)
    except (Failed, KeyError, TypeError, OSError, ValueError) as error:
        sys.stderr.write(f"the kernel's pod was not created: {type(error).__name__}: {error}\n")
        return 1
    return 0


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    made: dict[str, Any] = json.loads(path.read_bytes())
    return made


def placed(spec: dict[str, Any], environment: dict[str, str]) -> str:
    """Return the namespace in kernel.json. Raises Failed if the client's, where the gateway looks, differs."""
    namespace = str(spec["env"]["KERNEL_NAMESPACE"])
    if (asked := environment.get("KERNEL_NAMESPACE", namespace)) != namespace:
        raise Failed(f"KERNEL_NAMESPACE is {asked!r}, but this kernelspec runs in {namespace}")
    return namespace


def proven(environment: dict[str, str], settings: dict[str, Any], now: float) -> SignedIdentity:
    """Return the signed identity. Raises SignedIdentityError, or Refused if a value of the client differs."""
    key = environment.get(KEY_VARIABLE, "")
    if not key:
        raise Refused(f"The gateway has no {KEY_VARIABLE}, so it cannot know whose home to mount. Tell an admin.")
    if not (text := environment.get("KERNEL_SIGNED_IDENTITY", "")):
        raise Refused(
            "No KERNEL_SIGNED_IDENTITY came with this start, so nothing proves whose home to mount. "
            "Stop your server and start it again from the hub."
        )
    identity = read_signed_identity(key, text, now)
    # Enterprise Gateway sets the name of its own account if the client sends no name.
    if (user := environment.get("KERNEL_USERNAME", identity.user)) not in {identity.user, account()}:
        raise Refused(f"KERNEL_USERNAME is {user!r}, but your server's signed identity is for {identity.user!r}.")
    if (path := environment.get("KERNEL_PATH", identity.path)) != identity.path:
        raise Refused(f"KERNEL_PATH is {path!r}, but the home of {identity.user!r} is {identity.path!r}.")
    root = PurePosixPath(settings["homes"]["root"])
    if root not in PurePosixPath(identity.path).parents or ".." in PurePosixPath(identity.path).parts:
        raise Refused(f"The hub's home for you, {identity.path!r}, is not below {str(root)!r}. Tell an admin.")
    return identity


def account() -> str:
    """Return the name of this process's account; "" if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def kernel_pod(
    start: Start,
    spec: dict[str, Any],
    settings: dict[str, Any],
    identity: SignedIdentity,
    environment: dict[str, str],
) -> dict[str, Any]:
    """Return the pod of a kernel."""
    wanted, homes = spec["metadata"]["kernelpod"], settings["homes"]
    home = str(homes["mount_path"])
    order = {"argv": wanted["argv"], "working_dir": working_dir(home, environment)}
    names = {"HOME": home, **dict.fromkeys(("USER", "LOGNAME", "KERNEL_USERNAME"), identity.user)}
    volume, mount = home_volume(homes, identity.path)
    return rendered(
        start,
        order,
        plan={
            "namespace": spec["env"]["KERNEL_NAMESPACE"],
            "image": image(spec),
            "uid": identity.uid,
            "gid": identity.gid,
            "working_dir": home,
        },
        annotations={"kernelpod.io/username": identity.user, "kernelpod.io/server": identity.server},
        env={**wanted.get("env", {}), **names},
        resources=wanted.get("resources", {}),
        grace_period_seconds=settings["grace_period_seconds"],
        volumes=[volume],
        volume_mounts=[mount],
    )


def refusal_pod(start: Start, spec: dict[str, Any], sentence: str) -> dict[str, Any]:
    """Return a pod without kernel and volumes that reports the refusal, since the gateway only reads pods."""
    return rendered(
        start,
        {"refusal": sentence},
        plan={
            "namespace": spec["env"]["KERNEL_NAMESPACE"],
            "image": image(spec),
            "uid": NOBODY,
            "gid": NOBODY,
            "working_dir": "/",
        },
        annotations={},
        env={},
        resources={"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}},
        grace_period_seconds=0,
        volumes=[],
        volume_mounts=[],
    )


def image(spec: dict[str, Any]) -> str:
    """Return the image in kernel.json, at Enterprise Gateway's key; not KERNEL_IMAGE, which clients can set."""
    return str(spec["metadata"]["process_proxy"]["config"]["image_name"])


def working_dir(home: str, environment: dict[str, str]) -> str:
    """Return the notebook's folder if the gateway mirrors working directories, else the home."""
    asked = PurePosixPath(environment.get("KERNEL_WORKING_DIR", home))
    below = PurePosixPath(home) in asked.parents and ".." not in asked.parts
    return str(asked) if below else home


def home_volume(homes: dict[str, Any], path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the volume of a home, and its mount."""
    kind, mount = homes["volume"]["kind"], {"name": "home", "mountPath": homes["mount_path"]}
    if kind == "nfs":
        return {"name": "home", "nfs": {"server": homes["volume"]["server"], "path": path}}, mount
    if kind == "pvc":
        below = str(PurePosixPath(path).relative_to(homes["root"]))
        volume = {"name": "home", "persistentVolumeClaim": {"claimName": homes["volume"]["claim"]}}
        return volume, {**mount, "subPath": below}
    raise Failed(f"settings.json: homes.volume.kind is {kind!r}; it must be nfs or pvc")


def rendered(start: Start, order: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Return the pod from the template beside this file; the kernel's key is generated in the pod."""
    if not re.fullmatch(r"[0-9a-f-]{36}", start.kernel_id):
        raise Failed(f"{start.kernel_id!r} is not a kernel id")
    told = {name: getattr(start, name) for name in ("kernel_id", "response_address", "public_key")}
    command = [
        "python3",
        "-c",
        (HERE / "kernel_launcher.py").read_text(encoding="utf-8"),
        json.dumps(told | order),
    ]
    env = {**values.pop("env"), "KERNEL_ID": start.kernel_id}
    kept = Kept()
    template = kept.environment().from_string((HERE / "kernel-pod.yaml.j2").read_text(encoding="utf-8"))
    text = template.render(
        name=f"kernel-{start.kernel_id}-{secrets.token_hex(3)}",
        # Enterprise Gateway finds the pod by these labels.
        labels={"app": "enterprise-gateway", "component": "kernel", "kernel_id": start.kernel_id},
        # Kubelet replaces "$$" by "$" and expands "$(NAME)".
        command=[word.replace("$", "$$") for word in command],
        env=[{"name": name, "value": value.replace("$", "$$")} for name, value in env.items()],
        ports=[{"name": name, "containerPort": port} for name, port in PORTS.items()],
        **values,
    )
    pods = [each for each in yaml.safe_load_all(text) if isinstance(each, dict) and each.get("kind") == "Pod"]
    if len(pods) != 1:
        raise Failed(f"kernel-pod.yaml.j2 has {len(pods)} pods; it must have one")
    pod: dict[str, Any] = kept.restored(pods[0])
    return pod


class Kept:
    """Keeps the values of a template out of its YAML: the text has placeholders, so no value is parsed as YAML."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._mark = secrets.token_hex(8)

    def environment(self) -> ImmutableSandboxedEnvironment:
        """Return a Jinja2 environment whose filter `yaml` replaces values by placeholders."""
        made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        made.filters["yaml"] = self._keep
        return made

    def _keep(self, value: Any) -> str:
        word = f"{self._mark}-{len(self._values)}"
        self._values[word] = value
        return f'"{word}"'

    def restored(self, made: Any) -> Any:
        """Return a document with the values in place of the placeholders."""
        if isinstance(made, dict):
            return {key: self.restored(value) for key, value in made.items()}
        if isinstance(made, list):
            return [self.restored(value) for value in made]
        return self._values.get(made, made) if isinstance(made, str) else made


def create(pod: dict[str, Any], namespace: str, environment: dict[str, str]) -> None:
    """Create a pod with the gateway's service account. Raises Failed with the API server's message."""
    context = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    host, port = environment["KUBERNETES_SERVICE_HOST"], int(environment.get("KUBERNETES_SERVICE_PORT", "443"))
    token = (ACCOUNT / "token").read_text(encoding="ascii").strip()
    connection = http.client.HTTPSConnection(host, port, timeout=API_SECONDS, context=context)
    try:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/v1/namespaces/{namespace}/pods", json.dumps(pod), headers)
        answer = connection.getresponse()
        body = answer.read()
    except http.client.HTTPException as error:
        raise Failed(f"the API server's response is invalid: {error!r}") from error
    finally:
        connection.close()
    if answer.status != 201:
        try:
            said = json.loads(body)["message"]
        except (ValueError, KeyError, TypeError):
            said = body[:300]
        raise Failed(f"the API server answered {answer.status}: {said}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], dict(os.environ)))
