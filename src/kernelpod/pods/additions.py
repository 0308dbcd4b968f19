"""Builds the parts that a site adds to pods (`pods` of the settings), for kernels and servers alike."""

from __future__ import annotations

from typing import Any

from kernelpod.base.quantities import format_bytes, format_millicores
from kernelpod.pods.parts import literal, restricted
from kernelpod.settings.pods import AddedContainer, ContainerAmounts, PodAdditions

# User ids of the site's containers, which no user should have; the second is used if the user has the first.
ADDED_IDS = (65532, 65531)


def init_containers(added: PodAdditions, uid: int) -> list[dict[str, Any]]:
    """Return the site's init containers for a pod whose user has the id `uid`, followed by its sidecars.

    A sidecar is an init container that is restarted (Kubernetes 1.29). So the pod ends with its main container,
    and `containerStatuses` lists only that container.
    No container runs as `uid`: the containers of a kernel's pod share a process namespace, and processes with the
    same user id can read each other's files through /proc, including the home.
    """
    own = next(one for one in ADDED_IDS if one != uid)
    once = [_container(one, own) for one in added.init_containers]
    return [*once, *({**_container(one, own), "restartPolicy": "Always"} for one in added.sidecars)]


def _container(one: AddedContainer, uid: int) -> dict[str, Any]:
    words = {"command": one.command, "args": one.args}
    return {
        "name": one.name,
        "image": one.image,
        "imagePullPolicy": one.pull_policy,
        **{key: [literal(word) for word in given] for key, given in words.items() if given},
        "env": [{"name": name, "value": literal(value)} for name, value in one.env.items()],
        "resources": {"requests": _amounts(one.resources.requests), "limits": _amounts(one.resources.limits)},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {**restricted(), "runAsUser": uid, "runAsGroup": uid},
    }


def _amounts(amounts: ContainerAmounts) -> dict[str, str]:
    return {"cpu": format_millicores(amounts.cpu), "memory": format_bytes(amounts.memory)}


def tolerations(added: PodAdditions) -> list[dict[str, Any]]:
    """Return the site's tolerations."""
    return [one.model_dump(exclude_defaults=True) for one in added.tolerations]


def host_aliases(added: PodAdditions) -> list[dict[str, Any]]:
    """Return the site's lines of /etc/hosts."""
    return [{"ip": one.ip, "hostnames": list(one.hostnames)} for one in added.host_aliases]
