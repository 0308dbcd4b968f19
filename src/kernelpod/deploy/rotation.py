"""Gives the hubs of a deployment new secrets and restarts what uses them. Servers and kernels keep running.

The new values of a hub are stored in one step, together with a note of their names. The note is removed when
everything uses them, so that after an interruption another rotation restarts what the first one did not.
"""

from __future__ import annotations

import base64
from collections.abc import Collection
from functools import partial
from typing import Any

from kernelpod.base.names import LABEL_INSTANCE, PREFIX, selector
from kernelpod.deploy import hubsecrets, install
from kernelpod.deploy.cluster import WAIT_SECONDS, Cluster, ClusterError
from kernelpod.deploy.rendered import HUB_TOKENS
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.steps import Step
from kernelpod.deploy.watching import said_in
from kernelpod.errors import KernelpodError, SettingsError

SERVICE_TOKEN = "service_token"  # noqa: S105 - a name
SECRETS = (*hubsecrets.VARIABLES, SERVICE_TOKEN)
ROTATING = f"{PREFIX}/rotating"
"""Annotation of a hub's Secret: the names of the secrets whose new values may not be in use yet."""


def chosen(deployment: Deployment, hub: str) -> list[OneHub]:
    """Return the hub of this name, or all hubs if it is empty. Raises SettingsError, KernelpodError."""
    hubs = [one for one in deployment.hubs() if hub in ("", one.name)]
    if not hubs:
        names = ", ".join(one.name for one in deployment.hubs())
        raise SettingsError(f"--hub {hub}: the file has no such hub; its hubs are {names}")
    for one in hubs:
        if (how := one.deployment.hub.install) != "manifests":
            raise KernelpodError(
                f"`kernelpod deploy` does not keep the secrets of the hub {one.name} (hub.install: {how}). "
                "docs/hub.md says how to change them (Rotating secrets). Nothing was changed."
            )
    return hubs


def plan(cluster: Cluster, hubs: list[OneHub], names: Collection[str], *, forget_old: bool = False) -> list[Step]:
    """Return the steps that give these hubs new secrets of these names. Nothing is changed.

    With `forget_old`, the former crypt keys are removed. Raises ClusterError, KernelpodError.
    """
    read = [_Rotation(cluster, one, names, forget_old=forget_old) for one in hubs]
    rotations = [one for one in read if one.noted]
    steps = [one.stored() for one in rotations]
    with_token = [one for one in rotations if SERVICE_TOKEN in one.noted]
    steps += [one.copied() for one in with_token]
    steps += [one.restarted() for one in rotations]
    if with_token:
        gateway = partial(restart_gateway, cluster, hubs[0].deployment)
        steps.append(Step("gateway restarted; it finds the running kernels again", gateway))
    return [*steps, *(one.finished() for one in rotations)]


class _Rotation:
    """The rotation of one hub's secrets, as it stands in the cluster."""

    def __init__(self, cluster: Cluster, one: OneHub, names: Collection[str], *, forget_old: bool) -> None:
        self._cluster, self._one, self._space = cluster, one, one.deployment.namespaces.hub
        self._secret = f"Secret {HUB_TOKENS} in the namespace {self._space}"
        there = self._read()
        known = {key: base64.b64decode(value).decode() for key, value in there.get("data", {}).items()}
        if SERVICE_TOKEN not in known:
            raise ClusterError(f"The {self._secret} has no {SERVICE_TOKEN}; run `kernelpod deploy` first.")
        self._version = there["metadata"]["resourceVersion"]
        pending = _noted(there)
        if forget_old and pending:
            raise KernelpodError(
                f"A rotation of {', '.join(pending)} was interrupted. Complete it without --forget-old-keys first."
            )
        keys = known.get("crypt_key", "")
        self._new = {name: hubsecrets.fresh() for name in SECRETS if name in names}
        if "crypt_key" in pending:
            # Its new key may be in use or not. Another one would be one more to keep.
            self._new.pop("crypt_key", None)
        elif "crypt_key" in self._new:
            self._new["crypt_key"] = hubsecrets.with_new_key(keys)
        elif forget_old and keys != hubsecrets.newest_key(keys):
            self._new["crypt_key"] = hubsecrets.newest_key(keys)
        self._kept = [name for name in pending if name not in self._new]
        self.noted = [name for name in SECRETS if name in self._new or name in pending]
        """The secrets whose values may not be in use everywhere, once the new ones are stored."""

    def _read(self) -> dict[str, Any]:
        there = self._cluster.get("secret", HUB_TOKENS, self._space)
        if there is None:
            raise ClusterError(f"There is no {self._secret}; run `kernelpod deploy` first.")
        return there

    def stored(self) -> Step:
        """Return the step that stores new values and their names."""
        said = [f"new {', '.join(self._new)}"] if self._new else []
        said += [f"{', '.join(self._kept)} new since the interrupted rotation"] if self._kept else []
        return Step(f"{self._secret}: {'; '.join(said)}", self._store if self._new else lambda: None)

    def _store(self) -> None:
        # With resourceVersion, the patch fails if the Secret has changed.
        noted = {"resourceVersion": self._version, "annotations": {ROTATING: ",".join(self.noted)}}
        patch = {"metadata": noted, "stringData": self._new}
        self._cluster.patch("secret", HUB_TOKENS, self._space, patch)

    def copied(self) -> Step:
        """Return the step that gives the gateway its copy of the service token."""
        said = f"Secret {self._one.gateway_secret} in the namespace {self._one.deployment.namespaces.gateway}"
        return Step(f"{said}: new token", partial(install.make_secrets, self._cluster, self._one))

    def restarted(self) -> Step:
        """Return the step that restarts the hub, and the proxy in its pod, and waits until users reach it."""
        return Step(f"hub {self._one.name} restarted", self._restart)

    def _restart(self) -> None:
        self._cluster.kubectl("rollout", "restart", "deployment/hub", "-n", self._space)
        install.wait_for_hub(self._cluster, self._space)

    def finished(self) -> Step:
        """Return the step that removes the note, unless another rotation has changed it."""
        return Step(f"{self._secret}: in use everywhere", self._finish)

    def _finish(self) -> None:
        there = self._read()
        if _noted(there) == self.noted:
            version = there["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version, "annotations": {ROTATING: None}}}
            self._cluster.patch("secret", HUB_TOKENS, self._space, patch)


def _noted(secret: dict[str, Any]) -> list[str]:
    text = secret["metadata"].get("annotations", {}).get(ROTATING, "")
    return [name for name in SECRETS if name in text.split(",")]


def restart_gateway(cluster: Cluster, deployment: Deployment) -> None:
    """Restart the gateway and wait until it is ready. Raises ClusterError with the warnings of its namespace."""
    space = deployment.namespaces.gateway
    labels = {LABEL_INSTANCE: deployment.release, "app.kubernetes.io/component": "gateway"}
    found = [one["metadata"]["name"] for one in cluster.items("deployments", space, selector(labels))]
    if not found:
        raise ClusterError(f"There is no gateway in the namespace {space}; run `kernelpod deploy`.")
    for name in found:
        cluster.kubectl("rollout", "restart", f"deployment/{name}", "-n", space)
        try:
            cluster.kubectl(
                *("rollout", "status", f"deployment/{name}", "-n", space, f"--timeout={WAIT_SECONDS}s"),
                seconds=WAIT_SECONDS + 10,
            )
        except ClusterError as error:
            said = said_in(cluster, space)
            raise ClusterError(f"The gateway does not start. {said}") from error
