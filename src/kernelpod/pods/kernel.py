"""The Secret and the Pod of a plan: rendered from the template, then compared with the plan.

A pure function of record and connection. The template may add where a pod is scheduled; everything that
decides what it can reach is computed here as well and must come out exactly so.
"""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import dataclass
from typing import Any, get_args

import jinja2
import jinja2.sandbox
import yaml

from kernelpod.base import names, yamltext
from kernelpod.base.podkeys import SchedulingKey, SecretKey
from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.errors import TemplateError
from kernelpod.homes.mounts import Mount
from kernelpod.pods.parts import literal, no_privileges, shared_memory, volume_mounts, volumes
from kernelpod.start.connection import CHANNELS, Connection
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord

CONNECTION_FOLDER = "/var/run/kernelpod"
CONNECTION_FILE = f"{CONNECTION_FOLDER}/connection.json"
HOME_CHECK = "home-check"
HOMES_FOLDER = "/homes"

# Below the ephemeral range (32768 and up), where an outgoing connection could hold a port already.
POD_PORTS = [20001, 20002, 20003, 20004, 20005]

# What a template may say of the pod's spec on its own.
SCHEDULING_KEYS = frozenset(get_args(SchedulingKey))

# What an expression in a template can raise beside Jinja's own errors ("1 / 0", a range without end).
_EXPRESSION_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# libyaml's, where PyYAML has it: a start reads one document of each kind.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# All but what stands for itself between double quotes, in YAML of every version.
_UNSAFE = re.compile(r"[^ !#-\[\]-~]")


@dataclass(frozen=True)
class Manifest:
    """A Secret that holds connection.json and nothing else, and the Pod that reads it."""

    secret: dict[str, Any]
    pod: dict[str, Any]

    def to_yaml(self) -> str:
        """Return both documents as YAML, the key in clear."""
        return yamltext.dump_all([self.secret, self.pod], width=110)


def render(record: KernelRecord, connection: Connection, incarnation: str, template: str) -> Manifest:
    """Return Secret and Pod for a plan; `incarnation` (six hex digits) makes the name unique per start.

    Raises TemplateError if the template fails or what it made differs from the plan.
    """
    plan = record.plan
    name = names.pod_name(plan.owner.name, plan.kernel_id, incarnation)
    expected = _secret(plan, name, connection), _pod(record, name, connection)
    try:
        text = _compiled(template).render(**_variables(record, name, connection, expected[1]))
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise TemplateError(f"the pod template does not make YAML: {' '.join(str(error).split())}") from error
    except (jinja2.TemplateError, *_EXPRESSION_ERRORS) as error:
        raise TemplateError(f"the pod template cannot be rendered: {error}") from error
    return _compared(documents, expected)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> jinja2.Template:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["yaml"] = to_yaml_leaf
    return environment.from_string(template)


def to_yaml_leaf(value: Any) -> str:
    """Return `value` as one line of YAML in which every string is double-quoted.

    Whatever a string holds (quotes, braces, newlines, "$(...)", YAML or Jinja syntax), it reads back as the
    same string, and nothing of it becomes structure.
    """
    if value is None or isinstance(value, int):
        return json.dumps(value)
    if isinstance(value, float):  # JSON's 1e+16 is a string to YAML
        text: str = yaml.safe_dump(value)
        return text.removesuffix("...\n").strip()
    if isinstance(value, str):
        return f'"{_UNSAFE.sub(_escaped, value)}"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_yaml_leaf(str(k))}: {to_yaml_leaf(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(to_yaml_leaf, value)) + "]"
    raise TemplateError(f"the yaml filter cannot write a {type(value).__name__}")


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return f"\\{character}" if character in '"\\' else f"\\U{ord(character):08x}"


def _variables(record: KernelRecord, name: str, connection: Connection, pod: dict[str, Any]) -> dict[str, Any]:
    container = pod["spec"]["containers"][0]
    return {
        "plan": record.plan.model_dump(mode="json"),
        "name": name,
        "labels": pod["metadata"]["labels"],
        "annotations": pod["metadata"]["annotations"],
        "connection_json": connection.to_json(),
        "grace_period_seconds": pod["spec"]["terminationGracePeriodSeconds"],
        "supplemental_groups": pod["spec"]["securityContext"]["supplementalGroups"],
        "pull_policy": container["imagePullPolicy"],
        "command": container["command"],
        "env": container["env"],
        "ports": container["ports"],
        "resources": container["resources"],
        "init_containers": pod["spec"].get("initContainers", []),
        "service_account": record.plan.service_account,
        "scheduling": record.plan.scheduling,
        "volume_mounts": container["volumeMounts"],
        "volumes": pod["spec"]["volumes"],
    }


def _secret(plan: KernelPlan, name: str, connection: Connection) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": plan.namespace, "labels": _labels(plan)},
        "type": "Opaque",
        "immutable": True,
        "stringData": {"connection.json": connection.to_json()},
    }


def _pod(record: KernelRecord, name: str, connection: Connection) -> dict[str, Any]:
    plan = record.plan
    mounts = plan.mounts.all()
    shm_volumes, _ = _shared_memory(plan)
    first = {"initContainers": [_home_check(plan)]} if plan.home_check_image else {}
    secret = {
        "secretName": name,
        "defaultMode": 0o440,
        "items": [{"key": "connection.json", "path": "connection.json"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": plan.namespace,
            "labels": _labels(plan),
            "annotations": {
                names.ANNOTATION_USER: plan.owner.name,
                names.ANNOTATION_RECORD: record.to_json(),
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": math.ceil(plan.grace_period_seconds),
            **({"serviceAccountName": plan.service_account} if plan.service_account else {}),
            "automountServiceAccountToken": bool(plan.service_account),
            "enableServiceLinks": False,
            "shareProcessNamespace": True,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": plan.uid,
                "runAsGroup": plan.gid,
                "fsGroup": plan.gid,
                "fsGroupChangePolicy": "OnRootMismatch",
                "supplementalGroups": list(plan.supplemental_groups),
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            **plan.scheduling,
            **first,
            "containers": [_container(plan, mounts, connection)],
            "volumes": [*volumes(mounts), {"name": "connection", "secret": secret}, *shm_volumes],
        },
    }


def _shared_memory(plan: KernelPlan) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    if plan.shm_bytes is None:
        return [], []
    volume, mount = shared_memory(format_bytes(plan.shm_bytes))
    return [volume], [mount]


def _container(plan: KernelPlan, mounts: tuple[Mount, ...], connection: Connection) -> dict[str, Any]:
    resources = plan.resources
    _, shm_mounts = _shared_memory(plan)
    gpus = {resources.gpu_resource: str(resources.gpus)} if resources.gpus else {}
    command = [literal(word.replace("{connection_file}", CONNECTION_FILE)) for word in plan.argv]
    return {
        "name": "kernel",
        "image": plan.image,
        "imagePullPolicy": plan.pull_policy,
        "command": command,
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
                **gpus,
            },
            "limits": {
                "cpu": format_millicores(resources.cpu_limit_millicores),
                "memory": format_bytes(resources.memory_limit_bytes),
                **gpus,
            },
        },
        # What the kernel said last is then part of the pod's status: no right to read logs is needed.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": no_privileges(),
        "volumeMounts": [
            *volume_mounts(mounts),
            {"name": "connection", "mountPath": CONNECTION_FOLDER, "readOnly": True},
            *shm_mounts,
        ],
    }


def _secret_value(key: SecretKey) -> dict[str, Any]:
    reference: dict[str, Any] = {"name": key.secret, "key": key.key}
    return {"secretKeyRef": {**reference, "optional": True} if key.optional else reference}


def _home_check(plan: KernelPlan) -> dict[str, Any]:
    """Return a container that fails unless the home exists; kubelet would make it, for root, a moment later."""
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


def _labels(plan: KernelPlan) -> dict[str, str]:
    return names.labels(plan.release, plan.owner.hub, plan.owner.name, plan.spec, plan.kernel_id, plan.network)


def _compared(documents: list[Any], expected: tuple[dict[str, Any], dict[str, Any]]) -> Manifest:
    if len(documents) != len(expected) or not all(isinstance(document, dict) for document in documents):
        raise TemplateError("the pod template must make exactly a Secret and a Pod")
    secret, pod = documents
    spec = pod.get("spec")
    extra = {key: spec[key] for key in SCHEDULING_KEYS & spec.keys()} if isinstance(spec, dict) else {}
    wanted = {**expected[1], "spec": {**expected[1]["spec"], **extra}}
    for made, planned in ((secret, expected[0]), (pod, wanted)):
        if places := list(_differences(made, planned, str(planned["kind"]))):
            raise TemplateError(f"the pod template differs from the plan at {', '.join(places[:5])}")
    return Manifest(secret, pod)


def _differences(made: Any, planned: Any, place: str) -> list[str]:
    """Return the places where two documents differ; values are left out, they may be secret."""
    if isinstance(made, dict) and isinstance(planned, dict):
        keys = [*planned, *(key for key in made if key not in planned)]
        missing = object()
        return [
            found
            for key in keys
            for found in _differences(made.get(key, missing), planned.get(key, missing), f"{place}.{key}")
        ]
    if type(made) is type(planned) and made == planned:
        return []
    return [place]
