"""Maps `hub.database` to values of Zero to JupyterHub, whose hub has a claim of its own."""

from __future__ import annotations

from typing import Any

from kernelpod.deploy.settings import Deployment
from kernelpod.errors import SettingsError
from kernelpod.pods.parts import literal

# The chart's claim of the database, and user and group of its hub.
CLAIM = "hub-db-dir"
HUB_ID = 1000
FOLDER = ".kernelpod-hub"
# Arguments: folder, id. New folders belong to root, and the hub does not.
MAKE_FOLDER = """\
[ "$(stat -c %u "$1" 2>/dev/null)" = "$2" ] && exit 0
if ! { mkdir -p -m 0700 "$1" && chown "$2:$2" "$1"; } 2>/dev/null; then
  echo "The folder of the hub's database cannot be created: root may not write there (root_squash). \
On the NFS server run: mkdir -p -m 0700 $3 && chown $2:$2 $3"
  exit 1
fi
"""


def database_values(deployment: Deployment) -> dict[str, Any]:
    """Return the values below `hub` for the database. Raises SettingsError for what the chart cannot do."""
    database = deployment.hub.database
    if database.host_path:
        raise SettingsError(
            "hub.database.host_path: the hub of Zero to JupyterHub may not write to folders of a node; use "
            "hub.database.claim or hub.database.nfs"
        )
    if not database.nfs:
        kind = database.claim.storage_class
        return {"db": {"pvc": {"storage": database.claim.size, **({"storageClassName": kind} if kind else {})}}}
    volume = {"name": "database", "nfs": {"server": deployment.nfs.server, "path": database.nfs}}
    # The claim's volume is made by deploy; the class "" prevents the default class.
    pvc = {"storage": "1Ti", "storageClassName": "", "accessModes": ["ReadWriteMany"], "subPath": FOLDER}
    return {"db": {"pvc": pvc}, "extraVolumes": [volume], "initContainers": [_folder_container(deployment)]}


def _folder_container(deployment: Deployment) -> dict[str, Any]:
    """Return the init container that gives the hub a folder of its own."""
    words = (f"/database/{FOLDER}", str(HUB_ID), f"{deployment.hub.database.nfs}/{FOLDER}")
    return {
        "name": "database",
        "image": f"{deployment.images.named('gateway')}:{deployment.images.tag}",
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", literal(MAKE_FOLDER), "make-folder", *map(literal, words)],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsNonRoot": False,
            "runAsUser": 0,
            "runAsGroup": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "database", "mountPath": "/database"}],
    }
