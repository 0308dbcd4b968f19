"""Makes a folder for `kubectl apply -k` of a deployment, for those who keep the cluster's manifests in files."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import yaml

from kernelpod.base import yamltext
from kernelpod.deploy import hubsecrets, install, rendered
from kernelpod.deploy.cluster import Cluster
from kernelpod.deploy.settings import Deployment, OneHub
from kernelpod.deploy.withouthelm.release import PlainRelease
from kernelpod.errors import KernelpodError

KUSTOMIZATION = "kustomization.yaml"
_MADE = "# Made by `kernelpod render --deployment`. To change it, change that file and render again.\n"
_SCRIPT = """#!/bin/sh
MADE
# Makes the Secrets that the manifests need: with random values, unless they exist, and those of *.secret.yaml.
set -eu

kubectl() { command KUBECTL "$@"; }

# Prints 64 random digits.
fresh() {
  digits=$(head -c 32 /dev/urandom | od -An -vtx1 | tr -d ' \\n')
  [ ${#digits} = 64 ] || { echo "$0: no random digits: head, od and tr are needed" >&2; kill $$; }
  echo "$digits"
}

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
  [ "$token" ] || { echo "$0: the Secret TOKENS in the namespace $1 has no service_token" >&2; exit 1; }
  create "$2" "$3" "data: {token: $token}"
}

"""
_IGNORED = f"{_MADE}*.secret.yaml\n"


def folder_files(cluster: Cluster, deployment: Deployment, denied: list[str]) -> dict[str, str]:
    """Return the files by name. Of the cluster, only the command kubectl is used.

    Kernels cannot reach the `denied` CIDR blocks. Raises KernelpodError if a part needs Helm, or `deploy`.
    """
    if deployment.internal_tls:
        raise KernelpodError(
            "internal_tls: `kernelpod deploy` makes the certificates; manifests cannot hold them."
        )
    plain = deployment.model_copy(update={"without_helm": True})
    denied = rendered.all_denied(plain, denied)
    values = yamltext.dump(rendered.chart_values(plain, denied))
    release = PlainRelease(cluster, plain)
    completed = install.completed_settings(release.config_map(values))
    files = {
        "namespaces.yaml": yamltext.dump_all(rendered.namespaces(plain)),
        "gateway.yaml": yamltext.dump_all(release.objects(values)),
    }
    if storage := [*rendered.gateway_storage(plain), *rendered.kernels_storage(plain)]:
        files["volumes.yaml"] = yamltext.dump_all(storage)
    hidden: list[tuple[OneHub, str]] = []
    hubs = [one for one in plain.hubs() if one.deployment.hub.install == "manifests"]
    for one in hubs:
        shown, secrets = _apart(install.hub_objects(cluster, one, completed, denied, ""))
        files[f"{_hub_file(one)}.yaml"] = shown
        hidden += [(one, secrets)] if secrets else []
    kind = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    kustomization = yamltext.dump(kind | {"resources": [*files]})
    files |= {f"{_hub_file(one)}.secret.yaml": secrets for one, secrets in hidden}
    files = {name: _MADE + text for name, text in files.items()}
    script = _script(cluster, hubs, [name for name in files if name.endswith(".secret.yaml")])
    return {**files, "secrets.sh": script, ".gitignore": _IGNORED, KUSTOMIZATION: _MADE + kustomization}


def _hub_file(one: OneHub) -> str:
    return "hub" if one.first else f"hub-{one.name}"


def _apart(text: str) -> tuple[str, str]:
    """Return the documents of a text without Secrets, and the Secrets."""
    documents = [one for one in yaml.safe_load_all(text) if one]
    secrets = [one for one in documents if one["kind"] == "Secret"]
    return yamltext.dump_all([one for one in documents if one not in secrets]), yamltext.dump_all(secrets)


def _script(cluster: Cluster, hubs: list[OneHub], files: list[str]) -> str:
    """Return a script that makes the hubs' Secrets, and applies those in files."""
    keys = [*hubsecrets.VARIABLES, "service_token"]
    if any(one.deployment.hub.authenticator == rendered.DUMMY for one in hubs):
        keys.append("trial_password")
    values = ", ".join(f"{key}: '$(fresh)'" for key in keys)
    text = _SCRIPT.replace("MADE\n", _MADE).replace("VALUES", values).replace("TOKENS", rendered.HUB_TOKENS)
    text = text.replace("KUBECTL", shlex.join(cluster.kubectl_words))
    calls = [(one.deployment.namespaces, one.gateway_secret) for one in hubs]
    text += "".join(f"hub {names.hub} {names.gateway} {secret}\n" for names, secret in calls)
    return text + "".join(f'kubectl apply -f "$(dirname "$0")/{name}"\n' for name in files)


def is_manifest(name: str) -> bool:
    """Return whether a file of the folder holds objects that are no Secrets."""
    return name.endswith(".yaml") and name != KUSTOMIZATION and not name.endswith(".secret.yaml")


def write_folder(folder: Path, files: dict[str, str]) -> None:
    """Write the files into a folder, in place of those of an earlier call.

    Raises KernelpodError if it cannot be written, and, with nothing changed, if the folder holds something else.
    """
    try:
        _write_all(folder, files)
    except OSError as error:
        raise KernelpodError(f"{error.filename} cannot be written or read: {error.strerror}") from error


def _write_all(folder: Path, files: dict[str, str]) -> None:
    before = sorted(folder.iterdir()) if folder.is_dir() else []
    if other := next((path.name for path in before if not _is_made(path)), None):
        raise KernelpodError(f"{folder} holds {other}, which this command has not made. Name another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        _write(folder / name, text, 0o600 if name.endswith(".secret.yaml") else 0o644)
    for path in before:
        if path.name not in files:
            path.unlink()


def _write(path: Path, text: str, mode: int) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def _is_made(path: Path) -> bool:
    """Return whether a path is a file that `write_folder` has written."""
    return path.is_file() and not path.is_symlink() and _MADE.encode() in path.read_bytes()[:200]
