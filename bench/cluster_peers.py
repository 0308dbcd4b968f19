"""The peers on a cluster: stock Enterprise Gateway and Kernelpod, each with its own chart, and bare pods."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import secrets
import shutil
import sys
import time
import uuid
from abc import abstractmethod
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from tests.doubles import FakeHub, user_model

from bench import cluster_kube as kube
from bench.client import Address, WebSocketAddress
from bench.peers import Peer
from bench.processes import BenchError
from bench.stock_cluster import GATEWAY_IMAGE, KERNEL_NAME, chart
from bench.upstream import ROOT

USER, UID, GID = "bench", 1000, 100
OUR_GATEWAY, OUR_KERNEL = "localhost/kernelpod-gateway", "localhost/kernelpod-kernel-python:test"
REQUESTS = {"cpu": "10m", "memory": "64Mi"}
HOME_IN_POD = "/home/jovyan"
REQUEST_SECONDS = 290  # stock needs most of a minute for thirty kernels; slow starts must not count as failures
READY_SECONDS = 60


class Homes:
    """A folder on the test cluster's NFS server with one user's home, and a folder for kernelspecs."""

    def __init__(self) -> None:
        sys.path.append(str(ROOT / "tests" / "cluster"))
        nfs: Path = importlib.import_module("rig.layout").Layout.from_environment().nfs
        self.name = f"bench-{uuid.uuid4().hex[:6]}"
        self.server = kube.node_address()
        self.root = f"/homes/{self.name}"
        self.kernelspecs_path = f"/kernelspecs/{self.name}"
        self.folder = nfs / "homes" / self.name
        self.kernelspecs = nfs / "kernelspecs" / self.name
        home = self.folder / USER
        home.mkdir(parents=True)
        os.chown(home, UID, GID)
        (self.kernelspecs / "kernelspecs").mkdir(parents=True)

    def volume(self) -> dict[str, Any]:
        """Return the user's home as a pod's volume."""
        return {"name": "home", "nfs": {"server": self.server, "path": f"{self.root}/{USER}"}}

    def remove(self) -> None:
        """Remove both folders."""
        shutil.rmtree(self.folder)
        shutil.rmtree(self.kernelspecs)


class ClusterPeer(Peer):
    """A gateway on the cluster, with its own namespace and one for its kernels."""

    kernel_name = returning_name = ""
    """Kernelspecs of all starts, and of starts of returning users."""
    prewarmed = 0
    """How many kernels are prewarmed for returning users."""
    account = ""
    """The gateway's service account, whose API requests are counted."""
    gateway_labels = ""
    service = ""

    def __init__(self, homes: Homes) -> None:
        super().__init__()
        self.homes = homes
        self.headers: dict[str, str] = {}
        self.namespace = self.kernels = self.host = ""
        self._stack = ExitStack()

    @abstractmethod
    def install(self) -> None:
        """Install the chart into `self.namespace`. Other objects must be removed by `self._stack`."""

    @abstractmethod
    def environment_wish(self) -> dict[str, str]:
        """Return the `env` of a POST."""

    def start(self) -> None:
        self.namespace = self._stack.enter_context(kube.namespace("bench"))
        self.kernels = self._stack.enter_context(kube.namespace("bench-kernels"))
        self.install()
        get = ["get", "service", self.service, "-n", self.namespace, "-o", "jsonpath={.spec.clusterIP}"]
        self.host = kube.kubectl(*get).strip()
        deadline = time.monotonic() + READY_SECONDS
        while not self._ready():
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name} does not answer at its Service's address")
            time.sleep(0.1)

    def stop(self) -> None:
        self._stack.close()

    @property
    def gateway_uid(self) -> str:
        """Return the uid of the gateway's pod."""
        return str(kube.only_pod(self.namespace, self.gateway_labels)["metadata"]["uid"])

    def connect(self) -> http.client.HTTPConnection:
        """Return a keep-alive connection for the caller alone."""
        return http.client.HTTPConnection(self.host, 8888, timeout=REQUEST_SECONDS)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and body of one request on a new connection."""
        connection = self.connect()
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self.headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            raise BenchError(f"{self.name}: {error!r}") from error
        finally:
            connection.close()

    def start_kernel(self) -> str:
        model = {"name": self.kernel_name, "env": self.environment_wish()}
        status, body = self.request("POST", "/api/kernels", model)
        if status != 201:
            raise BenchError(f"{self.name} answers {status} to POST /api/kernels: {body[:400]!r}")
        return str(json.loads(body)["id"])

    def stop_kernel(self, kernel_id: str) -> None:
        status, body = self.request("DELETE", f"/api/kernels/{kernel_id}")
        if status not in {204, 404}:
            raise BenchError(f"{self.name} answers {status} to DELETE of a kernel: {body[:400]!r}")

    def address(self, kernel_id: str) -> Address:
        return WebSocketAddress(f"ws://{self.host}:8888/api/kernels/{kernel_id}/channels", self.headers)

    def remove_kernels(self) -> None:
        """Return once all pods of kernels are gone. Pods that the gateway left behind are removed."""
        kube.kubectl("delete", "pods", "--all", "-n", self.kernels, "--timeout=200s")

    def _ready(self) -> bool:
        with suppress(OSError, BenchError):
            return self.request("GET", "/api")[0] == 200
        return False


class StockOnCluster(ClusterPeer):
    """Stock Enterprise Gateway with its chart, kernelspec and launcher, and settings faster than its defaults:

    one namespace for all kernels instead of one for each, no debug log, no image puller.
    """

    name = "stock"
    kernel_name = returning_name = KERNEL_NAME
    account = "enterprise-gateway-sa"
    gateway_labels = "gateway-selector=enterprise-gateway"
    service = "enterprise-gateway"

    def install(self) -> None:
        values = {
            "image": GATEWAY_IMAGE,
            "logLevel": "INFO",
            "service": {"type": "ClusterIP"},
            "kernel": {"launchTimeout": REQUEST_SECONDS},
            "kip": {"enabled": False},
        }
        self._stack.callback(kube.helm_uninstall, "stock", self.namespace)
        kube.helm("stock", chart(), self.namespace, values)

    def environment_wish(self) -> dict[str, str]:
        """Return the client's variables for the user's home; stock's template has no other way."""
        return {
            "KERNEL_USERNAME": USER,
            "KERNEL_NAMESPACE": self.kernels,
            "KERNEL_UID": str(UID),
            "KERNEL_GID": str(GID),
            "KERNEL_CPUS": REQUESTS["cpu"],
            "KERNEL_MEMORY": REQUESTS["memory"],
            "KERNEL_VOLUMES": json.dumps([self.homes.volume()]),
            "KERNEL_VOLUME_MOUNTS": json.dumps([{"name": "home", "mountPath": HOME_IN_POD}]),
        }


class OursOnCluster(ClusterPeer):
    """Kernelpod with its chart, the shipped kernelspec, and a hub that authenticates the user."""

    name = "ours"
    kernel_name, returning_name, prewarmed = "python-pod", "warm-pod", 1
    account = service = "kernelpod"
    gateway_labels = "app.kubernetes.io/component=gateway"
    replicas = 1

    def install(self) -> None:
        hub = FakeHub(self.homes.server)
        token = secrets.token_hex(32)
        hub.users = {token: user_model(USER)}
        self.headers = {"Authorization": f"token {token}"}
        hub.start()
        self._stack.callback(hub.stop)
        self._publish()
        nfs = {"server": self.homes.server}
        values = {
            "image": {"repository": OUR_GATEWAY, "tag": "test"},
            "replicaCount": self.replicas,
            "kernels": {"namespace": {"name": self.kernels, "create": False}},
            "kernelspecs": {
                "source": "volume",
                "volume": {"create": True, "path": self.homes.kernelspecs_path, **nfs},
            },
            "networkPolicy": {"enabled": False},
            "settings": {
                "hubs": [{"api_url": hub.api_url}],
                "gateway": {"max_starts_per_user": 100},
                "kernelspecs": {"default": self.kernel_name},
                "homes": {"root": self.homes.root, "volume": {"kind": "nfs", **nfs}},
                "policy": {"uid": UID, "gid": GID, "max_kernels_per_user": None},
            },
        }
        self._stack.callback(kube.helm_uninstall, "kernelpod", self.namespace)
        kube.helm("kernelpod", ROOT / "charts" / "kernelpod", self.namespace, values)

    def environment_wish(self) -> dict[str, str]:
        """Return no variables: home, uid and namespace follow from the authenticated user."""
        return {}

    def kernelspecs(self) -> dict[str, dict[str, Any]]:
        """Return what each kernelspec says of its pods, besides image and resources."""
        return {self.kernel_name: {"prewarm": 0}, self.returning_name: {"prewarm": self.prewarmed}}

    def _publish(self) -> None:
        """Publish the shipped kernelspec with the test's image and the same resources as the other peers."""
        spec = json.loads((ROOT / "kernelspecs" / OursOnCluster.kernel_name / "kernel.json").read_bytes())
        for name, more in self.kernelspecs().items():
            spec["metadata"]["kernelpod"] = {"image": OUR_KERNEL, "resources": {"requests": REQUESTS}, **more}
            folder = self.homes.kernelspecs / "kernelspecs" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


class BarePods:
    """Pods that only sleep, with the volumes of a kernel's pod: the lower bound for every gateway."""

    def __init__(self, homes: Homes, namespace: str, port: int) -> None:
        self._homes, self._namespace, self._port = homes, namespace, port
        secret = {"metadata": {"name": "connection"}, "stringData": {"connection.json": "{}"}}
        given = {"apiVersion": "v1", "kind": "Secret", **secret}
        kube.kubectl("create", "-n", namespace, "-f", "-", given=given)

    def start(self, count: int) -> list[float]:
        """Return the seconds from creating `count` pods at once until each was seen running."""
        return kube.pods_running(self._port, [self._pod() for _ in range(count)])

    def remove(self) -> None:
        """Return once all pods are gone."""
        kube.kubectl("delete", "pods", "--all", "-n", self._namespace, "--grace-period=1", "--timeout=200s")

    def _pod(self) -> dict[str, Any]:
        mounts = [{"name": "home", "mountPath": HOME_IN_POD}, {"name": "connection", "mountPath": "/connection"}]
        container = {
            "name": "sleep",
            "image": OUR_KERNEL,
            "command": ["sleep", "infinity"],
            "resources": {"requests": REQUESTS},
            "volumeMounts": mounts,
        }
        spec = {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "shareProcessNamespace": True,
            "securityContext": {"runAsUser": UID, "runAsGroup": GID, "fsGroup": GID},
            "containers": [container],
            "volumes": [self._homes.volume(), {"name": "connection", "secret": {"secretName": "connection"}}],
        }
        metadata = {"name": f"sleep-{uuid.uuid4().hex}", "namespace": self._namespace}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
