"""Builds the Secret and the Pod of a plan as plain dicts: a pure function of the record and the connection.

No template is used, so texts of users and admins can only become values. The template in `launchers/` is for a
stock gateway only; a test checks that both give the same pod.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kernelpod.base import names, yamltext
from kernelpod.base.podkeys import SecretKey
from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.homes.mounts import Mount
from kernelpod.pods import additions
from kernelpod.pods.parts import ephemeral_storage, literal, no_privileges, shared_memory, volume_mounts, volumes
from kernelpod.start.connection import CHANNELS, Connection
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord

CONNECTION_FOLDER = "/var/run/kernelpod"
CONNECTION_FILE = f"{CONNECTION_FOLDER}/connection.json"
# ipykernel 7.4 writes a connection file with CurveZMQ keys again, and the volume of a Secret is read-only.
OWN_FOLDER, OWN_VOLUME = "/var/run/kernelpod-own", "connection-own"
_COPY = f'cp {CONNECTION_FILE} {OWN_FOLDER}/ && exec "$@"'
COMMAND_NOT_FOUND = 127
KERNEL_CONTAINER = "kernel"
HOME_CHECK = "home-check"
HOMES_FOLDER = "/homes"

# Below the ephemeral range (32768 and up), because an outgoing connection could use a port in that range.
POD_PORTS = [20001, 20002, 20003, 20004, 20005]


@dataclass(frozen=True)
class Manifest:
    """A Secret that contains only connection.json, and the Pod that reads it."""

    secret: dict[str, Any]
    pod: dict[str, Any]

    def to_yaml(self) -> str:
        """Return both documents as YAML, with the key in clear."""
        return yamltext.dump_all([self.secret, self.pod], width=110)


def kernel_manifest(
    record: KernelRecord,
    connection: Connection,
    incarnation: str,
    found: KernelPlan | None = None,
    *,
    spare: bool = False,
) -> Manifest:
    """Return the Secret and Pod of a plan; `incarnation` (six hex digits) makes their name unique per start.

    `found` is the plan with what the runtime has looked up, such as the folder behind a claim. The pod is made of
    it; the record in the pod holds the plan as it was granted, which rights are asked for again. The pod of a
    `spare` says so by a label.
    """
    plan = found or record.plan
    name = names.pod_name(plan.owner.name, plan.kernel_id, incarnation)
    pod = _pod(record, plan, name, connection)
    if spare:
        pod["metadata"]["labels"][names.LABEL_SPARE] = plan.release
    return Manifest(_secret(plan, name, connection), pod)


def _secret(plan: KernelPlan, name: str, connection: Connection) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": plan.namespace, "labels": labels(plan)},
        "type": "Opaque",
        "immutable": True,
        "stringData": {"connection.json": connection.to_json()},
    }


def _pod(record: KernelRecord, plan: KernelPlan, name: str, connection: Connection) -> dict[str, Any]:
    added = plan.additions
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": plan.namespace,
            "labels": {**added.labels, **labels(plan), **_driver(plan, name)},
            "annotations": {
                **added.annotations,
                names.ANNOTATION_USER: plan.owner.name,
                names.ANNOTATION_RECORD: record.to_json(),
            },
        },
        "spec": _spec(plan, name, connection),
    }


def _spec(plan: KernelPlan, name: str, connection: Connection) -> dict[str, Any]:
    mounts = plan.mounts.all()
    shm_volumes, _ = _shared_memory(plan)
    own_volumes, _ = _own_folder(plan)
    secret = {
        "secretName": name,
        "defaultMode": 0o440,
        "items": [{"key": "connection.json", "path": "connection.json"}],
    }
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": math.ceil(plan.grace_period_seconds),
        **({"serviceAccountName": plan.service_account} if plan.service_account else {}),
        "automountServiceAccountToken": bool(plan.service_account),
        "enableServiceLinks": False,
        # PID 1 is then the pause process, so SIGTERM also ends a kernel that has no handler for it.
        "shareProcessNamespace": True,
        **({"hostUsers": False} if plan.user_namespace else {}),
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": plan.uid,
            "runAsGroup": plan.gid,
            "fsGroup": plan.gid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "supplementalGroups": list(plan.supplemental_groups),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **{str(key): value for key, value in plan.scheduling.items()},
        **_lists(plan),
        "containers": [_container(plan, mounts, connection)],
        "volumes": [*volumes(mounts), {"name": "connection", "secret": secret}, *own_volumes, *shm_volumes],
    }


def _lists(plan: KernelPlan) -> dict[str, Any]:
    """Return the lists of the pod's spec that the site may extend; empty lists are left out."""
    checks = [_home_check(plan)] if plan.home_check_image else []
    made = {
        "tolerations": [*plan.scheduling.get("tolerations", []), *additions.tolerations(plan.additions)],
        "hostAliases": additions.host_aliases(plan.additions),
        "initContainers": [*checks, *additions.init_containers(plan.additions, plan.uid)],
    }
    return {key: value for key, value in made.items() if value}


def _shared_memory(plan: KernelPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if plan.shm_bytes is None:
        return [], []
    volume, mount = shared_memory(format_bytes(plan.shm_bytes))
    return [volume], [mount]


def _own_folder(plan: KernelPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the volume and mount where a kernel with an encrypted connection writes its connection file."""
    if not plan.encrypted:
        return [], []
    volume = {"name": OWN_VOLUME, "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}
    return [volume], [{"name": OWN_VOLUME, "mountPath": OWN_FOLDER}]


def _command(plan: KernelPlan) -> list[str]:
    if not plan.encrypted:
        return [literal(word.replace("{connection_file}", CONNECTION_FILE)) for word in plan.argv]
    own = f"{OWN_FOLDER}/connection.json"
    words = [literal(word.replace("{connection_file}", own)) for word in plan.argv]
    return ["/bin/sh", "-c", literal(_COPY), "sh", *words]


def _container(plan: KernelPlan, mounts: tuple[Mount, ...], connection: Connection) -> dict[str, Any]:
    resources = plan.resources
    _, shm_mounts = _shared_memory(plan)
    gpus = {resources.gpu_resource: str(resources.gpus)} if resources.gpus else {}
    _, own_mounts = _own_folder(plan)
    return {
        "name": KERNEL_CONTAINER,
        "image": plan.image,
        "imagePullPolicy": plan.pull_policy,
        "command": _command(plan),
        "workingDir": plan.working_dir,
        "env": [
            *({"name": name, "value": literal(value)} for name, value in plan.env.items()),
            *({"name": name, "valueFrom": _secret_value(key)} for name, key in plan.secret_env.items()),
        ],
        "ports": [
            {"name": channel, "containerPort": port}
            for channel, port in zip(CHANNELS, connection.ports(), strict=True)
        ],
        "resources": {
            "requests": {
                "cpu": format_millicores(resources.cpu_millicores),
                "memory": format_bytes(resources.memory_bytes),
                **(ephemeral_storage(resources.ephemeral_bytes) if resources.ephemeral_bytes else {}),
                **gpus,
            },
            "limits": {
                "cpu": format_millicores(resources.cpu_limit_millicores),
                "memory": format_bytes(resources.memory_limit_bytes),
                **(ephemeral_storage(resources.ephemeral_limit_bytes) if resources.ephemeral_limit_bytes else {}),
                **gpus,
            },
        },
        # The kernel's last output is then in the pod's status, so no permission to read logs is needed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": no_privileges(),
        "volumeMounts": [
            *volume_mounts(mounts),
            {"name": "connection", "mountPath": CONNECTION_FOLDER, "readOnly": True},
            *own_mounts,
            *shm_mounts,
        ],
    }


def _secret_value(key: SecretKey) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": key.secret, "key": key.key}
    return {"secretKeyRef": {**reference, "optional": True} if key.optional else reference}


def _home_check(plan: KernelPlan) -> dict[str, Any]:
    """Return a container that fails if the home is missing; kubelet would later create it, owned by root."""
    home = plan.mounts.home
    return {
        "name": HOME_CHECK,
        "image": plan.home_check_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["test", "-d", literal(f"{HOMES_FOLDER}/{home.sub_path}")],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
        "securityContext": no_privileges(),
        "volumeMounts": [{"name": home.name, "mountPath": HOMES_FOLDER, "readOnly": True}],
    }


def _driver(plan: KernelPlan, name: str) -> dict[str, str]:
    """Return the label by which policies name a kernel that may start executors of Spark."""
    return {names.LABEL_DRIVER: name} if plan.service_account else {}


def labels(plan: KernelPlan) -> dict[str, str]:
    """Return the labels of everything that is made for a kernel."""
    owner = plan.owner
    return names.labels(plan.release, owner.hub, owner.kind, owner.name, plan.spec, plan.kernel_id, plan.network)
