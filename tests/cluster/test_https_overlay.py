"""hub/https/secret: what kustomize makes of the manifests with a certificate's Secret; nothing is applied."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

HUB = Path(__file__).parents[2] / "hub"


def built(folder: str, need: Any) -> dict[tuple[str, str], Any]:
    need(shutil.which("kubectl"), "kubectl", "make test-cluster")
    command = ["kubectl", "kustomize", str(HUB / folder)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(text)}


def test_the_proxy_serves_https_with_the_secrets_files(need: Any) -> None:
    plain, secure = built("manifests", need), built("https/secret", need)
    changed = {key for key, one in secure.items() if plain[key] != one}
    assert changed == {("Deployment", "hub"), ("Service", "proxy-public")}
    assert secure.keys() == plain.keys()
    pod = secure["Deployment", "hub"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "tls"]
    files = yaml.safe_load((HUB / "https" / "files.yaml").read_text(encoding="utf-8"))["JupyterHub"]
    assert files == {
        f"ssl_{what}": f"{mount['mountPath']}/tls.{ending}" for what, ending in [("cert", "crt"), ("key", "key")]
    }
    (volume,) = [one for one in pod["volumes"] if one["name"] == "tls"]
    # Read by the hub's group, which the pod's fsGroup is.
    assert volume["secret"] == {"secretName": "hub-tls", "defaultMode": 0o440}
    assert container["readinessProbe"]["httpGet"] == {"path": "/hub/health", "port": "public", "scheme": "HTTPS"}
    assert secure["Service", "proxy-public"]["spec"]["ports"] == [
        {"name": "https", "port": 443, "targetPort": "public"}
    ]
