"""The process that makes NetworkPolicies hold: watches, and programs nftables on every change."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from .api import Api
from .layout import NAME
from .netpol import Object, rules
from .network import CNI_RESULTS

RESOURCES = ("/apis/networking.k8s.io/v1/networkpolicies", "/api/v1/pods", "/api/v1/namespaces")
SECONDS_BETWEEN_LOOKS = 0.1  # at the addresses that CNI gave out


class Watch(threading.Thread):
    """The objects of one kind, kept as the API server says."""

    def __init__(self, pki: Path, path: str, changed: threading.Event) -> None:
        super().__init__(daemon=True)
        self.complete = threading.Event()
        self._api, self._path, self._changed = Api(pki), path, changed
        self._objects: dict[str, Object] = {}

    def objects(self) -> list[Object]:
        """Those that exist now."""
        return list(self._objects.values())

    def run(self) -> None:
        """Follow for ever; while the API server is away, what was known stays."""
        while True:
            try:
                self._follow()
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.2)

    def _follow(self) -> None:
        listing = self._api.get(self._path)
        self._objects = {item["metadata"]["uid"]: item for item in listing["items"]}
        self.complete.set()
        self._changed.set()
        version = listing["metadata"]["resourceVersion"]
        for event in self._api.events(f"{self._path}?watch=1&resourceVersion={version}"):
            if event["type"] == "ERROR":
                return
            uid = event["object"]["metadata"]["uid"]
            if event["type"] == "DELETED":
                self._objects.pop(uid, None)
            else:
                self._objects[uid] = event["object"]
            self._changed.set()


def given_addresses() -> dict[str, str]:
    """The address of each pod, by its uid, as CNI noted it: before the container starts, unlike podIP."""
    found = {}
    for file in CNI_RESULTS.glob(f"{NAME}-*-eth0"):
        try:
            noted = json.loads(file.read_text())
        except (FileNotFoundError, ValueError):
            continue  # just removed, or just being written
        uid = dict(noted["cniArgs"])["K8S_POD_UID"]
        found[uid] = noted["result"]["ips"][0]["address"].partition("/")[0]
    return found


def with_address(pod: Object, given: dict[str, str], node: str) -> Object:
    """The pod with CNI's address in the place of podIP, which comes late and may outlive what it says.

    Of a pod on another node only podIP is known.
    """
    if pod["spec"].get("nodeName", node) != node:
        return pod
    return {**pod, "status": {**pod["status"], "podIP": given.get(pod["metadata"]["uid"])}}


def enforce(pki: Path, node: str) -> None:
    """Keep the rules of a node as the policies want them, until the process is ended."""
    changed = threading.Event()
    watches = [Watch(pki, path, changed) for path in RESOURCES]
    for watch in watches:
        watch.start()
    for watch in watches:
        watch.complete.wait()
    applied, given = "", dict[str, str]()
    while all(watch.is_alive() for watch in watches):
        now = given_addresses()
        if changed.wait(SECONDS_BETWEEN_LOOKS) or now != given:
            changed.clear()
            given = now
            policies, pods, namespaces = (watch.objects() for watch in watches)
            wanted = rules(policies, [with_address(pod, given, node) for pod in pods], namespaces)
            if wanted != applied:
                subprocess.run(["nft", "-f", "-"], input=wanted, text=True, timeout=30, check=True)
                applied = wanted


if __name__ == "__main__":
    enforce(Path(sys.argv[1]), sys.argv[2])
