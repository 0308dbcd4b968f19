"""Makes the values of users' server pods from the list of their fields (`pods/serverfields.py`)."""

from __future__ import annotations

from typing import Any

from kernelpod.base.names import former_user_slug
from kernelpod.homes.mounts import mounts_for
from kernelpod.pods.server import Ids
from kernelpod.pods.serverfields import server_fields
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings

# A user name whose two slugs differ; they are later replaced by KubeSpawner's placeholders of them.
STAND_IN = "kernelpod-standin"
_ESCAPED = former_user_slug(STAND_IN)


def pod_values(settings: Settings, hub: Hub, escaped: str, *, maps: bool) -> dict[str, Any]:
    """Return the values for pods of servers. With `maps`, volumes are mappings, which an admin's own extend."""
    mounts = mounts_for(settings, hub.name, STAND_IN, ())
    fields = server_fields(settings, mounts, Ids(settings.policy.uid, settings.policy.gid))
    metadata, spec, container = fields.metadata, dict(fields.spec), fields.container
    resources, context = container["resources"], dict(container["securityContext"])
    # The chart has no values for these.
    traits = {
        "pod_security_context": spec.pop("securityContext"),
        "gid": context.pop("runAsGroup"),
        "working_dir": per_user(container["workingDir"], escaped),
    }
    storage = {
        "extraVolumes": _named(spec.pop("volumes"), escaped, maps=maps),
        "extraVolumeMounts": _named(container["volumeMounts"], escaped, maps=maps),
    }
    singleuser = {
        "uid": context.pop("runAsUser"),
        "extraLabels": metadata["labels"],
        "extraAnnotations": per_user(metadata["annotations"], escaped),
        "extraTolerations": spec.pop("tolerations"),
        "extraResource": {"guarantees": resources["requests"], "limits": resources["limits"]},
        "initContainers": per_user(spec.pop("initContainers"), escaped),
        "storage": storage,
        # Everything else of the pod's spec; empty lists are left out.
        "extraPodConfig": per_user({key: value for key, value in spec.items() if value != []}, escaped),
    }
    return {
        "singleuser": {key: value for key, value in singleuser.items() if value},
        "hub": {"config": {"KubeSpawner": {**traits, "container_security_context": context}}},
    }


def _named(items: list[dict[str, Any]], escaped: str, *, maps: bool) -> Any:
    """Return a list, or a mapping whose keys keep its order and are not an admin's."""
    made = per_user(items, escaped)
    return {f"kernelpod-{number:02}": item for number, item in enumerate(made)} if maps else made


def per_user(value: Any, escaped: str) -> Any:
    """Return a value for KubeSpawner to expand: all braces are doubled but those of the slugs' placeholders.

    `escaped` is the placeholder of the slug by the scheme "escape".
    """
    if isinstance(value, str):
        literal = value.replace("{", "{{").replace("}", "}}")
        return literal.replace(_ESCAPED, escaped).replace(STAND_IN, "{username}")
    if isinstance(value, dict):
        return {key: per_user(inner, escaped) for key, inner in value.items()}
    return [per_user(inner, escaped) for inner in value] if isinstance(value, list) else value
