"""Different plans, each with a golden manifest, and what hostile text looks like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from doubles import a_connection, a_plan, a_spec, an_identity
from kernelpod.kernelspecs.resources import Resources
from kernelpod.pods.kernel import Manifest, kernel_manifest
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord
from kernelpod.start.request import KernelRequest, ResourceWish

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
COURSES = [
    {"name": "data", "root": "/srv/data", "mount_path": "/data", "volume": {"claim": "data"}},
    {
        "name": "drop",
        "root": "/srv/drop",
        "path_template": "{hub}/{username}",
        "mount_path": "/drop",
        "read_only": False,
        "volume": {"claim": "drop"},
    },
]


def made(plan: KernelPlan) -> Manifest:
    """Return the manifest of a plan at a fixed moment."""
    return kernel_manifest(KernelRecord(plan=plan, created=NOON), a_connection(), "0a1b2c")


def _ordinary() -> KernelPlan:
    return a_plan()


def _large() -> KernelPlan:
    sizes = {"requests": {"cpu": 1, "memory": "2Gi"}, "limits": {"cpu": 4, "memory": "8Gi"}}
    spec = a_spec(profile="large", resources=Resources.model_validate(sizes), env={"OMP_NUM_THREADS": "4"})
    wish = KernelRequest(spec="python-pod", profile="large", resources=ResourceWish(cpu=1500, memory=5 * 2**30))
    return a_plan(request=wish, spec=spec)


def _shared_mounts() -> KernelPlan:
    settings = Settings.model_validate({"mounts": COURSES, "homes": {"path_template": "{hub}/{username}"}})
    wish = KernelRequest(spec="python-pod", working_dir="/data/Müller Häuser")
    return a_plan(settings=settings, identity=an_identity("john.doe", groups=("staff",)), request=wish)


def _extra_volumes() -> KernelPlan:
    """Return a plan with a volume of each kind that has no folders."""
    csi = {"driver": "secrets-store.csi.k8s.io", "attributes": {"class": "{a} $(B)"}, "publish_secret": "vault"}
    mounts = [
        {"name": "pip", "mount_path": "/etc/pip", "volume": {"kind": "config_map", "object": "pip-conf"}},
        {"name": "licence", "mount_path": "/opt/licence", "volume": {"kind": "secret", "object": "licence"}},
        {"name": "store", "mount_path": "/opt/store", "volume": {"kind": "csi", **csi}},
    ]
    return a_plan(settings=Settings.model_validate({"mounts": mounts}))


def _checked_home() -> KernelPlan:
    cluster = {"release": "teaching", "home_check_image": "registry.example/gateway:1"}
    settings = Settings.model_validate({"runtime": {"kubernetes": cluster}})
    return a_plan(settings=settings, spec=a_spec(network="none"))


def _nfs_and_ids() -> KernelPlan:
    rule = {"groups": ["staff"], "uid": 3000, "gid": 3000, "supplemental_groups": [3001, 3002]}
    nfs = {"kind": "nfs", "server": "10.0.0.5"}
    settings = Settings.model_validate({"policy": {"rules": [rule]}, "homes": {"volume": nfs}})
    return a_plan(settings=settings, identity=an_identity("Alice", groups=("staff",)))


def _gpu() -> KernelPlan:
    keys: dict[str, Any] = {
        "pull_policy": "Always",
        "pull_secrets": ["registry"],
        "runtime_class": "nvidia",
        "shm": "2Gi",
        "service_account": "spark-ml",
        "node_selector": {"example.org/purpose": "ml"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "secret_env": {
            "AWS_ACCESS_KEY_ID": {"secret": "s3a", "key": "access-key"},
            "AWS_SESSION_TOKEN": {"secret": "s3a", "key": "session", "optional": True},
        },
    }
    sizes = Resources.model_validate({"gpus": {"count": 1, "bound": 2}})
    wish = KernelRequest(spec="gpu-pod", resources=ResourceWish(gpus=2))
    everywhere = {
        "nodeSelector": {"example.org/kernels": "yes"},
        "tolerations": [{"key": "kernels", "value": "x"}],
    }
    settings = Settings.model_validate({"runtime": {"kubernetes": {"scheduling": everywhere}}})
    return a_plan(request=wish, settings=settings, spec=a_spec(resources=sizes, mounts=(), **keys))


# What a site may add to its pods: one of each.
ADDITIONS: dict[str, Any] = {
    "labels": {"example.org/team": "physics", "cost-centre": "42"},
    "annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "example.org/note": "{a} $(B)"},
    "init_containers": [
        {
            "name": "wait-for-licences",
            "image": "registry.example/wait:1",
            "command": ["wait", "$(LICENCES)"],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": 1, "memory": "32Mi"}},
        }
    ],
    "sidecars": [
        {
            "name": "proxy",
            "image": "registry.example/proxy@sha256:" + "0" * 64,
            "args": ["--listen", "127.0.0.1:3128"],
            "env": {"UPSTREAM": "proxy.example.org"},
            "pull_policy": "Always",
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"cpu": "50m", "memory": "64Mi"},
            },
        }
    ],
    "tolerations": [{"key": "site", "operator": "Exists"}],
    "host_aliases": [{"ip": "10.1.2.3", "hostnames": ["licences.example.org", "licences"]}],
}


def _additions() -> KernelPlan:
    cluster = {
        "home_check_image": "registry.example/gateway:1",
        "scheduling": {"tolerations": [{"key": "kernels"}]},
    }
    settings = {"runtime": {"kubernetes": cluster}, "pods": {"kernels": ADDITIONS}}
    return a_plan(settings=Settings.model_validate(settings))


def _user_namespace() -> KernelPlan:
    """Return a plan on nodes with user namespaces, for a kernelspec with a limit of disk of its own."""
    settings = {"runtime": {"kubernetes": {"user_namespaces": True}}, "homes": {"volume": {"kind": "none"}}}
    sizes = Resources.model_validate({"ephemeral_storage": "20Gi"})
    return a_plan(settings=Settings.model_validate(settings), spec=a_spec(resources=sizes))


def _encrypted() -> KernelPlan:
    settings = Settings.model_validate({"runtime": {"kind": "kubernetes"}})
    spec = a_spec(supports_curve=True, argv=("python", "-c", "print('$(x) $@')", "{connection_file}"))
    return a_plan(settings=settings, spec=spec)


def _hostile() -> KernelPlan:
    name = 'x"\n- hostPath: {path: /}\n--- {{ 7*7 }} $(HOME) \x85\u2028'
    spec = a_spec(
        env={"PS1": "$(id) $$(id) `id`"}, argv=("bash", "-c", "echo '{{ x }}' # $(y)", "{connection_file}")
    )
    return a_plan(identity=an_identity(name), spec=spec)


PLANS: dict[str, Callable[[], KernelPlan]] = {
    "ordinary": _ordinary,
    "checked-home": _checked_home,
    "large": _large,
    "shared-mounts": _shared_mounts,
    "extra-volumes": _extra_volumes,
    "nfs-and-ids": _nfs_and_ids,
    "gpu": _gpu,
    "additions": _additions,
    "user-namespace": _user_namespace,
    "encrypted": _encrypted,
    "hostile": _hostile,
}

HOSTILE = [
    '"',
    "'",
    '"}, {"name": "x", "hostPath": {"path": "/"}}, {"a": "',
    "a\nhostNetwork: true\n",
    "a\r\n  b",
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{# note #}",
    "{{ ''.__class__.__mro__ }}",
    "$(HOME)",
    "$$(HOME)",
    "$$$(HOME)",
    "$$$$(HOME) $$",
    "$((1+1))",
    "$(",
    "$",
    "$$",
    "`id`",
    "&anchor *alias",
    "*alias",
    "!!python/object/apply:os.system ['id']",
    "!tag x",
    "--- ",
    "\n---\nkind: Pod\n",
    "...",
    "# comment",
    "key: value",
    "- item",
    "? a",
    "%YAML 1.1",
    "|\n  x",
    ">-",
    "@x",
    "<<",
    "null",
    "true",
    "no",
    "1e3",
    "0x1F",
    "12:30:45",
    "2026-01-01",
    "\u2028",
    "\u2029",
    "\x85",
    "\xa0",
    "\ufeff",
    "\t",
    "\x7f",
    "\\",
    "\\n",
    '\\"',
    "🦉",
    "اَلْعَرَبِيَّةُ",
    "x" * 4096,
    " ",
    "",
]


def leaves(document: Any, place: str = "") -> dict[str, Any]:
    """Return every leaf of a document by its place; empty lists and mappings are leaves too."""
    if isinstance(document, dict) and document:
        pairs = document.items()
    elif isinstance(document, list) and document:
        pairs = enumerate(document)  # type: ignore[assignment]
    else:
        return {place: document}
    return {where: leaf for key, value in pairs for where, leaf in leaves(value, f"{place}/{key}").items()}
