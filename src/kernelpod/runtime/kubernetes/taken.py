"""Notes in the cluster that a prewarmed pod is its owner's kernel now, and what for.

A note is a Secret, since a gateway may create Secrets but change no pod. Its pod owns it, so it is removed with
the pod. It lacks the labels of kernels, by which a gateway that knows no notes would take it for something left.
"""

from __future__ import annotations

import base64
import contextlib
from typing import Any

from kernelpod.base import names
from kernelpod.runtime.kubernetes.apiserver import ApiServer
from kernelpod.runtime.kubernetes.podwatch import Pod
from kernelpod.start.record import KernelRecord
from kernelpod.start.session import Session

_KEY = "session.json"
_SUFFIX = "-taken"


class TakenNotes:
    """The notes of one release's pods."""

    def __init__(self, api: ApiServer, secrets_path: str, release: str) -> None:
        self._api, self._secrets_path, self._release = api, secrets_path, release

    async def write(self, pod: Pod, session: Session | None) -> None:
        """Write the note of a pod. Raises ApiRefusedError, ApiSilentError."""
        made = pod["metadata"]
        owner = {"apiVersion": "v1", "kind": "Pod", "name": made["name"], "uid": made["uid"]}
        note = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"{made['name']}{_SUFFIX}",
                "labels": {names.LABEL_TAKEN: self._release},
                "ownerReferences": [owner],
            },
            "type": "Opaque",
            "immutable": True,
            "stringData": {_KEY: session.model_dump_json() if session else ""},
        }
        await self._api.call("POST", self._secrets_path, body=note)

    async def read(self) -> dict[str, dict[str, Any]]:
        """Return the notes by the names of their pods. Raises ApiRefusedError, ApiSilentError."""
        chosen = {"labelSelector": names.selector({names.LABEL_TAKEN: self._release})}
        listed = await self._api.call("GET", self._secrets_path, chosen)
        return {note["metadata"]["name"].removesuffix(_SUFFIX): note for note in listed["items"]}


def is_spare(pod: Pod) -> bool:
    """Return whether a pod was started as a spare."""
    return names.LABEL_SPARE in pod["metadata"].get("labels", {})


def taken(record: KernelRecord, note: dict[str, Any]) -> KernelRecord:
    """Return the record of a spare since it was taken. A note that cannot be read still says that it was."""
    session = None
    with contextlib.suppress(KeyError, ValueError):
        session = Session.model_validate_json(base64.b64decode(note["data"][_KEY]))
    return record.model_copy(update={"session": session})
