"""Reports the state of a deployment: its URL, whether it is ready, and its problems."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from kernelpod.base.names import LABEL_KERNEL_ID, release_labels, selector
from kernelpod.deploy.cluster import Cluster, ClusterError
from kernelpod.deploy.release import release_of
from kernelpod.deploy.settings import Deployment, OneHub

PUBLIC_SERVICE = "proxy-public"
# How much longer than it was given a pod may take to end.
LATE = timedelta(seconds=30)


@dataclass(frozen=True)
class State:
    """The current state of a deployment."""

    url: str
    release: str
    """Status and revision of the gateway's release. Empty if there is none."""
    gateway: str
    hub: str
    more_hubs: dict[str, str]
    """State and URL of each additional hub by name."""
    servers: int
    kernels: int
    problems: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the state as a dict for JSON."""
        return {**asdict(self), "problems": list(self.problems)}

    def as_text(self) -> str:
        """Return the state as lines of text."""
        rows = {key: value for key, value in self.as_dict().items() if key not in ("problems", "more_hubs")}
        rows.update({f"hub {name}": said for name, said in self.more_hubs.items()})
        lines = [f"  {name:<8} {value if value != '' else '-'}" for name, value in rows.items()]
        return "\n".join([*lines, *(f"  problem  {problem}" for problem in self.problems)])


def state_of(cluster: Cluster, deployment: Deployment) -> State:
    """Return the state of a deployment. Raises ClusterError if the cluster does not answer."""
    names, problems = deployment.namespaces, []
    release = release_of(cluster, deployment).status()
    gateway = _ready(cluster, names.gateway, f"app.kubernetes.io/instance={deployment.release}")
    hub = _ready(cluster, names.hub, "component=hub") if deployment.hub.install != "none" else "not ours"
    if not release.startswith(("deployed", "applied")):
        problems.append("the gateway's release is not deployed; run `kernelpod deploy`")
    problems += [
        f"{what} is not ready" for what, said in (("gateway", gateway), ("hub", hub)) if said == "not ready"
    ]
    problems += [f"{what} is missing" for what, said in (("gateway", gateway), ("hub", hub)) if said == "missing"]
    url = ""
    if deployment.hub.install != "none":
        try:
            url = public_url(cluster, deployment)
        except ClusterError as error:
            problems.append(error.message)
    more = {one.name: _more_hub(cluster, one) for one in deployment.hubs()[1:]}
    now = datetime.now(timezone.utc)
    if deployment.internal_tls:
        # Loads cryptography, which the gateway's process, whose command line loads this module, does without.
        from kernelpod.deploy import tlssecrets  # noqa: PLC0415

        problems += tlssecrets.problems(cluster, deployment, now)
    problems += [f"hub {name} is {said}" for name, said in more.items() if not said.startswith("ready")]
    servers, kernels = server_pods(cluster, deployment.hubs()), kernel_pods(cluster, deployment)
    problems += late_to_end([*servers, *kernels], now)
    return State(
        url=url,
        release=release,
        gateway=gateway,
        hub=hub,
        more_hubs=more,
        servers=len(servers),
        kernels=len(kernels),
        problems=tuple(problems),
    )


def _more_hub(cluster: Cluster, one: OneHub) -> str:
    ready = _ready(cluster, one.deployment.namespaces.hub, "component=hub")
    try:
        url = (one.deployment.hub.url or "").rstrip("/")
        return f"{ready}, {url or _service_url(cluster, one.deployment)}" if ready.startswith("ready") else ready
    except ClusterError as error:
        return error.message


def late_to_end(pods: list[dict[str, Any]], now: datetime) -> list[str]:
    """Return a sentence for each node with pods that should have ended before `now`, or nothing."""
    late: dict[str, list[str]] = {}
    for pod in pods:
        made = pod["metadata"]
        # The time until which the pod may take: that of the request, and its grace period.
        until = made.get("deletionTimestamp")
        if until and datetime.fromisoformat(until.replace("Z", "+00:00")) + LATE < now:
            late.setdefault(pod["spec"].get("nodeName", ""), []).append(f"{made['namespace']}/{made['name']}")
    return [
        f"on node {node}, {len(names)} of the pods should have ended, such as {names[0]}: the node, or an NFS "
        "server that they mount, does not answer"
        for node, names in sorted(late.items())
    ]


def server_pods(cluster: Cluster, hubs: list[OneHub]) -> list[dict[str, Any]]:
    """Return the pods of the users' servers of these hubs."""
    spaces = [one.deployment.namespaces.hub for one in hubs]
    return [pod for space in spaces for pod in cluster.items("pods", space, "component=singleuser-server")]


def kernel_pods(cluster: Cluster, deployment: Deployment, kernel_id: str = "") -> list[dict[str, Any]]:
    """Return the pods of this deployment's kernels, or only those of `kernel_id`."""
    labels = {**release_labels(deployment.release), **({LABEL_KERNEL_ID: kernel_id} if kernel_id else {})}
    return cluster.items("pods", deployment.namespaces.kernels, selector(labels))


def _ready(cluster: Cluster, space: str, selector: str) -> str:
    deployments = cluster.items("deployments", space, selector)
    if not deployments:
        return "missing"
    ready = all(one.get("status", {}).get("readyReplicas", 0) >= one["spec"]["replicas"] for one in deployments)
    images = [box["image"] for one in deployments for box in one["spec"]["template"]["spec"]["containers"]]
    return f"ready, {', '.join(images)}" if ready else "not ready"


def public_url(cluster: Cluster, deployment: Deployment) -> str:
    """Return the hub's public URL, with its base path. Raises ClusterError if it is not known."""
    if deployment.hub.url:
        return deployment.hub.url.rstrip("/")
    return f"{_service_url(cluster, deployment)}{deployment.gateway.hubs[0].base_path.rstrip('/')}"


def _service_url(cluster: Cluster, deployment: Deployment) -> str:
    service = cluster.get("service", PUBLIC_SERVICE, deployment.namespaces.hub)
    if service is None:
        raise ClusterError(f"there is no service {PUBLIC_SERVICE} in {deployment.namespaces.hub}")
    spec, ports = service["spec"], {port["name"]: port for port in service["spec"]["ports"]}
    scheme = "https" if "https" in ports else "http"
    if spec["type"] == "NodePort":
        return f"{scheme}://{_host(_node_address(cluster))}:{ports[scheme]['nodePort']}"
    if spec["type"] == "LoadBalancer":
        for entry in service.get("status", {}).get("loadBalancer", {}).get("ingress", []):
            return f"{scheme}://{_host(entry.get('ip') or entry['hostname'])}"
        raise ClusterError(
            f"the service {PUBLIC_SERVICE} has no address yet. Install a load balancer that assigns addresses, "
            "such as metallb, or set hub.service: NodePort"
        )
    return f"{scheme}://{_host(spec['clusterIP'])}"


def _node_address(cluster: Cluster) -> str:
    addresses = {
        address["type"]: address["address"]
        for node in reversed(cluster.items("nodes"))
        for address in node["status"].get("addresses", [])
    }
    return str(addresses.get("ExternalIP") or addresses["InternalIP"])


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
