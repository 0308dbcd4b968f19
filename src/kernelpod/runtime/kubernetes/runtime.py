"""Runs each kernel as a Pod that carries its record, owned by a Secret that holds its connection.

A kernel that may start executors of Spark has two NetworkPolicies, too. There is no other state. The state of
running kernels comes from one watch; other requests to the API server are only sent to start and stop kernels.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import secrets
import socket
import time
from typing import Any

from kernelpod.base import names
from kernelpod.errors import KernelpodError, RecordError, StartFailed, UserError
from kernelpod.pods.kernel import KERNEL_CONTAINER, POD_PORTS, Manifest, kernel_manifest
from kernelpod.runtime.interface import Ended, RunningKernel
from kernelpod.runtime.kubernetes import reasons
from kernelpod.runtime.kubernetes.apiserver import ApiRefusedError, ApiServer, ApiSilentError, try_again
from kernelpod.runtime.kubernetes.claims import with_found_home
from kernelpod.runtime.kubernetes.executors import Executors
from kernelpod.runtime.kubernetes.fair_limiter import FairLimiter
from kernelpod.runtime.kubernetes.lease import ClusterLease
from kernelpod.runtime.kubernetes.podstart import Troubles, address_of
from kernelpod.runtime.kubernetes.podwatch import Pod, PodWatch
from kernelpod.runtime.kubernetes.removal import Removal
from kernelpod.runtime.kubernetes.taken import TakenNotes, is_spare, taken
from kernelpod.settings.runtimes import Kubernetes
from kernelpod.start.connection import ConnectionKeys, new_connection, read_connection
from kernelpod.start.plan import KernelPlan
from kernelpod.start.record import KernelRecord, read
from kernelpod.start.session import Session

log = logging.getLogger(__name__)

OPEN_SECONDS = 60
# How long Kubernetes may count pods for a quota after they were removed.
COUNTED_SECONDS = 10
_SILENT = "The cluster does not answer. Running kernels continue. Try again in a minute."


class KubernetesRuntime:
    """Runs plans as pods in one namespace. Only sees pods of its own release."""

    def __init__(self, settings: Kubernetes) -> None:
        self._settings = settings
        self._api = ApiServer(settings)
        namespace = f"/api/v1/namespaces/{settings.namespace}"
        self._pods_path, self._secrets_path = f"{namespace}/pods", f"{namespace}/secrets"
        self._selector = names.selector(names.release_labels(settings.release))
        self._watch = PodWatch(self._api, self._pods_path, self._selector)
        self._troubles = Troubles(self._api, self._watch, f"{namespace}/events", settings.heal_seconds)
        self._executors = Executors(self._api, settings)
        paths = (self._pods_path, self._secrets_path)
        self._removal = Removal(self._api, self._watch, *paths, self._executors)
        self._notes = TakenNotes(self._api, self._secrets_path, settings.release)
        self._limiter = FairLimiter(settings.starts_at_once)
        self._seen: dict[str, RunningKernel | None] = {}

    async def open(self) -> None:
        """Connect to the cluster and list the pods. Raises StartFailed, which says what to do."""
        try:
            await self._api.open()
            await self._watch.open(OPEN_SECONDS)
        except (KernelpodError, OSError) as error:
            await self.close()
            raise StartFailed("cluster_unavailable", f"The gateway cannot use the cluster: {error}") from error

    async def close(self) -> None:
        """Stop the watch and end the session. Pods keep running."""
        await self._watch.close()
        await self._removal.close()
        await self._api.close()

    def ready(self) -> bool:
        """Return whether the watch is running. Without it, starts would never complete."""
        return self._watch.synced

    async def start(
        self, record: KernelRecord, keys: ConnectionKeys | None = None, *, spare: bool = False
    ) -> RunningKernel:
        """Start the plan as a pod, and return once its shell port is open; see `Runtime.start`."""
        plan, incarnation = await with_found_home(record.plan, self._api), secrets.token_hex(3)
        connection = new_connection("tcp", "0.0.0.0", POD_PORTS, plan.address, keys)
        manifest = kernel_manifest(record, connection, incarnation, plan, spare=spare)
        name = manifest.pod["metadata"]["name"]
        async with self._limiter.turn(plan.owner):
            began = time.monotonic()
            try:
                await self._create(manifest, plan)
                ip = await address_of(name, plan, self._watch, self._troubles)
                # Connecting would take the kernel from the gateway that leads, if that is another one by now.
                await self._api.until_not_fenced()
            except BaseException:
                self._removal.remove(name, plan)
                raise
        log.info("kernel %s: pod %s listens after %.3f s", plan.kernel_id, name, time.monotonic() - began)
        return RunningKernel(record, connection.at(ip), incarnation, spare=spare)

    async def take(self, kernel: RunningKernel, session: Session | None) -> None:
        """Store that a spare is its owner's kernel now; see `Runtime.take`."""
        pod = self._watch.pod(_name(kernel))
        if pod is None:
            raise StartFailed("kernel_start_failed", "The prewarmed kernel is gone.")
        try:
            await self._notes.write(pod, session)
        except ApiRefusedError as error:
            raise _failed(reasons.refused(str(error))) from error
        except ApiSilentError as error:
            raise StartFailed("cluster_unavailable", _SILENT, detail=str(error)) from error

    async def running(self) -> list[RunningKernel]:
        """Return the running kernels of this release. Remove the Secrets, Pods and executors of all others.

        Pods are listed anew, after their Secrets: to a watch that lags, a new kernel seems to be left behind.
        Raises StartFailed if the API server does not answer.
        """
        try:
            listed = await self._api.call("GET", self._secrets_path, {"labelSelector": self._selector})
            drivers = await self._executors.drivers()
            await self._watch.open(OPEN_SECONDS)
            notes = await self._notes.read()
        except (ApiRefusedError, ApiSilentError) as error:
            sentence = f"The kernels' Pods, Secrets and NetworkPolicies cannot be listed: {error}"
            raise StartFailed("cluster_unavailable", sentence) from error
        pods, found = self._watch.pods(), []
        for secret in listed["items"]:
            name = secret["metadata"]["name"]
            drivers.discard(name)
            try:
                kernel = _found(pods.pop(name, None), secret, notes.get(name))
            except RecordError as error:
                log.error("pod %s is ignored: %s", name, error)
                continue
            if kernel is None:
                log.warning("removing %s, which an ended kernel or an incomplete start left behind", name)
                self._removal.remove(name)
            else:
                found.append(kernel)
        for name in pods:
            log.warning("removing pod %s, which no longer has a Secret", name)
            self._removal.remove(name)
        for name in drivers - pods.keys():
            log.warning("removing the executors of %s, which is gone", name)
            self._removal.remove(name)
        return found

    async def seen(self) -> list[RunningKernel]:
        """Return the kernels whose pods run, by the watch. The Secret of each is asked for once.

        Whether a spare was taken meanwhile is not asked for.
        """
        pods = {name: pod for name, pod in self._watch.pods().items() if reasons.address(pod)}
        self._seen = {name: kernel for name, kernel in self._seen.items() if name in pods}
        for name in pods.keys() - self._seen.keys():
            listed = await self._api.call("GET", self._secrets_path, {"fieldSelector": f"metadata.name={name}"})
            self._seen[name] = None
            for secret in listed["items"]:
                with contextlib.suppress(RecordError):
                    self._seen[name] = _found(pods[name], secret, None)
        return [kernel for kernel in self._seen.values() if kernel]

    def lease(self, ip: str, port: int) -> ClusterLease:
        """Return the Lease of the release's gateways. Without it, this one changes nothing in the cluster."""
        settings, identity = self._settings, f"{socket.gethostname()}-{secrets.token_hex(8)}"
        made = ClusterLease(self._api, settings.namespace, settings.release, identity, (ip, port))
        self._api.is_fenced = lambda: made.expired
        return made

    def ended(self, kernel: RunningKernel) -> Ended | None:
        """Return why the kernel's pod no longer runs, or None, according to the watch."""
        return reasons.ended(self._watch.pod(_name(kernel)), kernel.record.plan)

    async def wait_ended(self, kernel: RunningKernel) -> Ended:
        """Wait until the watch reports that the pod no longer runs, and return why."""
        return await self._watch.until(_name(kernel), lambda pod: reasons.ended(pod, kernel.record.plan))

    async def signal(self, kernel: RunningKernel, signum: int) -> None:
        """Send a signal to the kernel's processes with `pods/exec`. Raises UserError (interrupt_unsupported)."""
        if not self._settings.exec_signals:
            raise UserError(
                "interrupt_unsupported",
                f"A {kernel.record.plan.display_name} kernel can only be interrupted by a signal, which is not "
                "allowed here (runtime.kubernetes.exec_signals). Restart the kernel instead.",
            )
        # `kill -1` skips process 1, which is the pod's own; all other processes of this user are the kernel's.
        path, kill = f"{self._pods_path}/{_name(kernel)}/exec", f"kill -{signum} -1"
        try:
            await self._api.execute(path, KERNEL_CONTAINER, ["sh", "-c", kill])
        except (ApiRefusedError, ApiSilentError) as error:
            sentence = "The kernel could not be signalled. Restart it instead."
            raise UserError("interrupt_unsupported", sentence, detail=str(error)) from error

    async def stop(self, kernel: RunningKernel, grace_seconds: float) -> None:
        """Wait half of the grace period for the kernel to end, then delete its pod, and return when it is gone."""
        await asyncio.shield(self._removal.remove(_name(kernel), kernel.record.plan, grace_seconds))

    async def _create(self, manifest: Manifest, plan: KernelPlan) -> None:
        try:
            secret = await self._persist("POST", self._secrets_path, manifest.secret)
            manifest.pod["metadata"]["ownerReferences"] = [_owner(secret)]
            name = manifest.pod["metadata"]["name"]
            for path, policy in self._executors.policies(plan, name, _owner(secret)):
                await self._persist("POST", path, policy)
            pod = await self._counted(manifest.pod, plan)
        except ApiRefusedError as error:
            raise _failed(reasons.refused(str(error))) from error
        except ApiSilentError as error:
            raise StartFailed("cluster_unavailable", _SILENT, detail=str(error)) from error
        self._watch.expect(pod)

    async def _counted(self, pod: dict[str, Any], plan: KernelPlan) -> dict[str, Any]:
        """Create the pod. Quotas count pods for a while after they were removed: then it is tried again."""
        pauses = try_again()
        while True:
            try:
                return await self._persist("POST", self._pods_path, pod)
            except ApiRefusedError as error:
                if "exceeded quota" not in str(error):
                    raise
                if going := self._removal.of_kernel(plan.kernel_id):
                    await asyncio.wait(going)
                elif time.monotonic() > self._removal.ended_at + COUNTED_SECONDS:
                    raise
                else:
                    await asyncio.sleep(next(pauses))

    async def _persist(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Return the response. Retries while the API server is unavailable; the start's timeout ends this."""
        pauses, repeated = try_again(), False
        while True:
            try:
                return await self._api.call(method, path, body=body)
            except ApiRefusedError as error:
                if error.reason == "AlreadyExists" and repeated:
                    return await self._made_before(path, body["metadata"]["name"])
                if not error.may_pass:
                    raise
            except ApiSilentError as error:
                log.info("%s", error)
            await asyncio.sleep(next(pauses))
            repeated = True

    async def _made_before(self, path: str, name: str) -> dict[str, Any]:
        """Return the object that our earlier request created, although its response was lost.

        Nobody else could have created it, since its name is random.
        """
        listed = await self._api.call("GET", path, {"fieldSelector": f"metadata.name={name}"})
        made: dict[str, Any] = listed["items"][0]
        return made


def _found(pod: Pod | None, secret: dict[str, Any], note: dict[str, Any] | None) -> RunningKernel | None:
    """Return the kernel of a running pod that is not being deleted, else None. `note` says that a spare was taken.

    Raises RecordError if its record or its connection cannot be read.
    """
    if pod is None or "deletionTimestamp" in pod["metadata"]:
        return None
    record = read(pod["metadata"].get("annotations", {}).get(names.ANNOTATION_RECORD, ""))
    ip = reasons.address(pod)
    if ip is None or reasons.ended(pod, record.plan):
        return None
    try:
        connection = read_connection(base64.b64decode(secret["data"]["connection.json"]).decode())
    except (KeyError, ValueError) as error:
        raise RecordError("its Secret does not hold a connection") from error
    incarnation = secret["metadata"]["name"].rpartition("-")[2]
    if is_spare(pod) and note:
        return RunningKernel(taken(record, note), connection.at(ip), incarnation)
    return RunningKernel(record, connection.at(ip), incarnation, spare=is_spare(pod))


def _failed(ended: Ended) -> StartFailed:
    return StartFailed(ended.code, ended.reason, detail=ended.detail)


def _name(kernel: RunningKernel) -> str:
    plan = kernel.record.plan
    return names.pod_name(plan.owner.name, plan.kernel_id, kernel.incarnation)


def _owner(secret: dict[str, Any]) -> dict[str, Any]:
    made = secret["metadata"]
    return {"apiVersion": "v1", "kind": "Secret", "name": made["name"], "uid": made["uid"]}
