"""Converts values of Enterprise Gateway's chart, of 2.0 to 3.3, to values of kernelpod's chart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kernelpod.base import yamltext
from kernelpod.importers.gateway.made import Kind, NewGateway
from kernelpod.importers.gateway.variables import (
    ONE_NAMESPACE,
    PROVEN,
    take_kernels,
    take_setting,
    take_variables,
)
from kernelpod.importers.helm.files import HelmValues, others_of
from kernelpod.importers.helm.nests import Chart
from kernelpod.importers.hub.secrets import SECRETS, places_of
from kernelpod.importers.moves import Values
from kernelpod.importers.report import Imported, Part

GATEWAY, PULL_SECRETS = "gateway.yaml", "pull-secrets.yaml"
_HEAD = f"""\
# The secrets of {GATEWAY}: give this file to Helm after that one, with -f.
# Keep it out of repositories and images, and readable by its owner only.
"""
_PULL_HEAD = """\
# Apply it in the gateway's namespace, with kubectl. Keep it out of repositories, and readable by its owner only.
"""
_MOST_LEVELS = 6
# Keys of `kernel` that only this chart has.
_KERNEL = {
    "launchTimeout",
    "cullIdleTimeout",
    "shareGatewayNamespace",
    "allowedKernels",
    "whitelist",
    "clusterRole",
}
# Where the old chart mounts kernelspecs in the gateway; the NFS server exports it by the same path.
_KERNELS = "/usr/local/share/jupyter/kernels"
_PORT = 8888
# Values of the gateway's pod: by section and key, the new place and the kind of value.
_PODS: dict[str, dict[str, tuple[str, Kind]]] = {
    "": {"replicas": ("replicaCount", "replicas")},
    "deployment": {
        "replicas": ("replicaCount", "replicas"),
        "resources": ("resources", "resources"),
        "annotations": ("podAnnotations", "labels"),
        "tolerations": ("tolerations", "objects"),
        "affinity": ("affinity", "mapping"),
        "nodeSelector": ("nodeSelector", "labels"),
    },
    "global": {"commonLabels": ("podLabels", "labels")},
    "kip": {"resources": ("prePuller.resources", "resources")},
}
_SECTIONS = ("deployment", "global", "ingress", "kernel", "kernelspecs", "kernelspecsPvc", "kip", "nfs", "service")
_VARIABLES = {
    "launchTimeout": "KERNEL_LAUNCH_TIMEOUT",
    "cullIdleTimeout": "CULL_IDLE_TIMEOUT",
    "defaultKernelName": "DEFAULT_KERNEL_NAME",
}
_DROPPED: dict[str, dict[str, str]] = {
    "": {
        "image": "the gateway has an image of its own: image.repository and image.tag",
        "imagePullPolicy": "the gateway has an image of its own: image.pullPolicy",
        "logLevel": "the gateway has no levels of its log",
        "mirrorWorkingDirs": "servers and kernels mount homes at one place",
        "authToken": PROVEN,
        "k8sMasterPublicIP": "only servers of the hub reach the gateway, within the cluster",
    },
    "deployment": {
        "enabled": "the chart always installs the gateway",
        "serviceAccountName": "the chart makes an account, with rights in the kernels' namespace only",
        "terminationGracePeriodSeconds": "it follows from what the gateway has to finish",
    },
    "global": {"rbac": "the chart makes a Role in the kernels' namespace, and none for the cluster"},
    "kernel": {
        "clusterRole": "kernels have no rights in the cluster",
        "shareGatewayNamespace": ONE_NAMESPACE,
    },
    "kernelspecs": {"imagePullPolicy": "it is for the image of kernelspecs"},
}
_SERVED = "only servers of the hub reach the gateway, within the cluster"
_PULLED = "kubelet pulls the images, by an ordinary DaemonSet: it needs no account, socket or interval"
_IMAGES = "set prePuller.images, as `kernelpod specs images` prints them, and prePuller.continuous.enabled"


def gateways_in(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of mappings that are values of Enterprise Gateway's chart; empty if all of them are."""
    if not isinstance(values, dict) or len(above) > _MOST_LEVELS:
        return
    kernel = values.get("kernel")
    named = isinstance(kernel, dict) and bool(_KERNEL & kernel.keys())
    if named or isinstance(values.get("kip"), dict) or "mirrorWorkingDirs" in values:
        yield above
    else:
        for key, inner in values.items():
            yield from gateways_in(inner, (*above, str(key)))


GATEWAY_CHART = Chart("gateway", "kernel or kip", gateways_in, "enterprise-gateway")


def imported_gateway(given: HelmValues) -> Imported:
    """Return values of kernelpod's chart, with the gateway's settings, and secrets. Raises ImportingError."""
    made = Imported(given.tree, others_of(given, "the gateway"))
    values = Values(made)
    values.leave_encrypted()
    new, top = NewGateway(made), Part(made, (), values.data)
    parts = {"": top, **{name: top.section(name) for name in _SECTIONS}}
    _tables(new, parts)
    _kernels(new, parts["kernel"])
    named = [parts[name] for name in ("", "deployment") if "extraEnv" in parts[name]]
    take_variables(new, [(part.below("extraEnv"), part.take("extraEnv")) for part in named])
    _kernelspecs(new, parts)
    _service(new, parts)
    _pull_secrets(new, parts)
    _puller(parts["kip"])
    parts["ingress"].drop(_SERVED)
    for part in parts.values():
        part.drop("Enterprise Gateway's chart has no such value that the import knows", "left")
    _narrower(new)
    _write(new)
    return made


def _tables(new: NewGateway, parts: dict[str, Part]) -> None:
    """Take what has a place of its own, or a reason of its own why it has none."""
    for name, moves in _PODS.items():
        for key, (place, kind) in moves.items():
            if key in parts[name]:
                new.put(parts[name].below(key), place, parts[name].take(key), kind)
    for name, reasons in _DROPPED.items():
        for key, why in reasons.items():
            if key in parts[name]:
                parts[name].take(key)
                parts[name].note(key, "dropped", why)


def _kernels(new: NewGateway, kernel: Part) -> None:
    for key, variable in _VARIABLES.items():
        place = kernel.below(key)
        if key not in kernel:
            continue
        value = kernel.take(key)
        if value is None:
            new.made.note(place, "dropped", "nothing is set")
        else:
            take_setting(new, place, variable, value)
    for key in ("allowedKernels", "whitelist"):
        if key in kernel:
            take_kernels(new, kernel.below(key), kernel.take(key))


def _kernelspecs(new: NewGateway, parts: dict[str, Part]) -> None:
    """Name the volume with kernelspecs: new ones are published beside the old ones, which stay as they are."""
    image = parts["kernelspecs"]
    server = _enabled(parts["nfs"], "internalServerIPAddress")
    claim = _enabled(parts["kernelspecsPvc"], "name")
    how = "publish new kernelspecs there with `kernelpod specs sync`"
    if server:
        volume: dict[str, Any] = {"create": True, "server": server, "path": _KERNELS}
        new.made.note(("nfs",), "changed", f"it is kernelspecs.volume now: {how}, into {_KERNELS}")
        if claim:
            new.made.note(("kernelspecsPvc",), "dropped", "kernelspecs were read from NFS")
    elif claim:
        volume = {"existingClaim": claim}
        new.made.note(("kernelspecsPvc",), "changed", f"it is kernelspecs.volume.existingClaim now: {how}")
    if server or claim:
        new.values["kernelspecs"] = {"source": "volume", "volume": volume}
    if image.text("image"):
        image.note("image", "left", "take over its kernelspecs with `kernelpod specs import`, and publish them")


def _enabled(part: Part, key: str) -> str:
    """Take a text of a section that counts if it is enabled; empty, with a note, if it is not."""
    said, on, text = bool(part), part.flag("enabled"), part.text(key)
    if on and text:
        return text
    if said:
        part.note("", "dropped", "it is not enabled" if not on else f"{key} is not set")
    return ""


def _service(new: NewGateway, parts: dict[str, Part]) -> None:
    service, top = parts["service"], parts[""]
    kind = service.text("type")
    if kind == "ClusterIP":
        service.note("type", "changed", "it is ClusterIP, as always")
    elif kind:
        service.note("type", "dropped", f"{_SERVED}: it is ClusterIP")
    for number, port in enumerate(service.numbered("ports")):
        if number == 0 and "port" in port:
            new.put(port.below("port"), "service.port", port.take("port"), "port")
        port.drop(
            "kernels do not answer to the gateway: it connects to them"
            if number
            else "of the Service only its port is to choose"
        )
    if "port" in top:
        new.put(top.below("port"), "service.port", top.take("port"), "port")
    service.drop(_SERVED)


def _pull_secrets(new: NewGateway, parts: dict[str, Part]) -> None:
    share, create = parts["global"], parts[""].section("imagePullSecretsCreate")
    names = [name for _, name in share.words("imagePullSecrets")]
    if names:
        why = "kernels need Secrets of these names in their namespace, too, and kernels.imagePullSecrets"
        new.values["imagePullSecrets"] = [{"name": name} for name in names]
        share.note("imagePullSecrets", "changed", f"it is imagePullSecrets now: {why}")
    manifests = []
    for secret in create.numbered("secrets"):
        name, data = secret.text("name"), secret.text("data")
        if name and data:
            secret.note("", "changed", f"a secret: it is a Secret in {PULL_SECRETS}, to be applied with kubectl")
            manifests.append(_pull_secret(name, data))
        else:
            secret.note("", "dropped", "a Secret has a name and data")
        secret.drop("a Secret has a name and data")
    create.drop(f"the chart makes no such Secrets: see {PULL_SECRETS}" if manifests else "nothing is set")
    if manifests:
        text = "---\n".join(yamltext.dump(one, width=110) for one in manifests)
        new.made.files[PULL_SECRETS] = (_PULL_HEAD + text).encode()
        new.made.private.add(PULL_SECRETS)


def _pull_secret(name: str, data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": data},
    }


def _puller(kip: Part) -> None:
    enabled = kip.flag("enabled")
    if enabled is not None:
        kip.note("enabled", "left" if enabled else "dropped", _IMAGES if enabled else "nothing pulled images")
    kip.drop(_PULLED)


def _narrower(new: NewGateway) -> None:
    """Say what the old chart did not have, and what must be known before kernels start."""
    for why in (
        "networkPolicy.profiles: kernels reach names and the internet, and no private address; they reached all",
        "homes are those of the hub's servers: set settings.homes and hub, or take over the hub's values first",
    ):
        new.made.note((), "added", why)


def _write(new: NewGateway) -> None:
    made, secrets = new.made, dict[str, Any]()
    for place in places_of(new.values):
        key = str(place[0])
        if key in new.values:
            secrets[key] = new.values.pop(key)
    whole = {**new.values, **({"settings": new.settings} if new.settings else {})}
    made.write_yaml(GATEWAY, whole)
    if secrets:
        made.write_yaml(SECRETS, secrets, _HEAD)
        made.private.add(SECRETS)
        made.note((), "added", f"{SECRETS}: what has a secret in it ({', '.join(secrets)}), as a whole")
