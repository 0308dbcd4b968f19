"""Makes a folder for `kubectl apply -k` of a deployment, for those who keep the cluster's manifests in files."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from kernelpod.base import yamltext
from kernelpod.deploy import hubsecrets, install, rendered
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.withouthelm.release import PlainRelease
from kernelpod.errors import KernelpodError

KUSTOMIZATION = "kustomization.yaml"
_MADE = "# Made by `kernelpod render --deployment`. To change it, change that file and render again.\n"
_SECRETS = """#!/bin/sh
# Makes the Secrets that the manifests need, with random values. Those that exist stay as they are.
set -eu

fresh() { head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n'; }

there() { test -n "$(kubectl get secret "$2" -n "$1" -o name --ignore-not-found)"; }

# The namespace, the name, and an object with the values. They are no words of a command.
create() {
  kubectl create -f - <<END
apiVersion: v1
kind: Secret
metadata: {namespace: $1, name: $2, labels: {app.kubernetes.io/managed-by: kernelpod-deploy}}
$3
END
}

# The hub's namespace, the gateway's namespace, and the name of its copy of the hub's service token.
hub() {
  there "$1" TOKENS || create "$1" TOKENS "stringData: {VALUES}"
  there "$2" "$3" && return
  token=$(kubectl get secret TOKENS -n "$1" -o jsonpath='{.data.service_token}')
  create "$2" "$3" "data: {token: $token}"
}

"""


def folder_files(cluster: Cluster, deployment: Deployment, denied: list[str]) -> dict[str, str]:
    """Return the files by name. Of the cluster, only the command kubectl is used.

    Kernels cannot reach the `denied` CIDR blocks. Raises KernelpodError if a part needs Helm, or `deploy`.
    """
    if deployment.internal_tls:
        raise KernelpodError(
            "internal_tls: `kernelpod deploy` makes the certificates; manifests cannot hold them."
        )
    plain = deployment.model_copy(update={"without_helm": True})
    values = yamltext.dump(rendered.chart_values(plain, denied))
    completed = install.gateway_settings(cluster, plain, values)
    files = {
        "namespaces.yaml": yamltext.dump_all(rendered.namespaces(plain)),
        "gateway.yaml": yamltext.dump_all(PlainRelease(cluster, plain).objects(values)),
    }
    if storage := [*rendered.gateway_storage(plain), *rendered.kernels_storage(plain)]:
        files["volumes.yaml"] = yamltext.dump_all(storage)
    hubs = [one for one in plain.hubs() if one.deployment.hub.install == "manifests"]
    for one in hubs:
        name = "hub.yaml" if one.first else f"hub-{one.name}.yaml"
        files[name] = install.hub_objects(cluster, one, completed, denied, "")
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    names, files = [*files], {name: _MADE + text for name, text in files.items()}
    return {
        **files,
        KUSTOMIZATION: _MADE + yamltext.dump(kind | {"resources": names}),
        "secrets.sh": _secrets(hubs),
    }


def _secrets(hubs: list[OneHub]) -> str:
    """Return a script that makes the hubs' Secrets."""
    keys = [*hubsecrets.VARIABLES, "service_token"]
    if any(one.deployment.hub.authenticator == rendered.DUMMY for one in hubs):
        keys.append("trial_password")
    values = ", ".join(f"{key}: '$(fresh)'" for key in keys)
    text = _SECRETS.replace("VALUES", values).replace("TOKENS", rendered.HUB_TOKENS)
    calls = [(one.deployment.namespaces, one.gateway_secret) for one in hubs]
    return text + "".join(f"hub {names.hub} {names.gateway} {secret}\n" for names, secret in calls)


def is_manifest(name: str) -> bool:
    """Return whether a file of the folder holds objects of the cluster."""
    return name.endswith(".yaml") and name != KUSTOMIZATION


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write the files into a new folder, or in place of a folder of such files.

    Raises KernelpodError, and changes nothing, if the folder holds something else.
    """
    there = folder / KUSTOMIZATION
    ours = there.is_file() and there.read_text(encoding="utf-8").startswith(_MADE)
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise KernelpodError(f"{folder} is not empty, and not made by this command. Name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name, text in files.items():
            (made / name).write_text(text, encoding="utf-8")
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
