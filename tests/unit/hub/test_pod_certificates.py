"""Servers of pods with JupyterHub.internal_ssl: where they find their certificate and the gateway's authority."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelpod.deploy import internaltls
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings
from podspawner import a_spawner

CERTIFICATES = "jupyterhub-internal-certs"
pytestmark = pytest.mark.hub
DEPLOYMENT = Deployment.model_validate(
    {"nfs": {"server": "10.0.0.5"}, "hub": {"users": ["alice"]}, "internal_tls": True}
)


async def test_a_server_finds_the_gateways_authority_where_its_environment_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: dict[str, Any] = {"runtime": {"kind": "kubernetes", "kubernetes": {"home_check_image": "gateway:1"}}}
    settings = Settings.model_validate({**given, **internaltls.settings(DEPLOYMENT)})
    spawner = a_spawner(monkeypatch, settings)
    files = {name: tmp_path / name for name in ("keyfile", "certfile", "cafile", "hub-ca", "gateway")}
    for name, file in files.items():
        file.write_text(f"{name}\n", encoding="utf-8")
    spawner.internal_ssl = True
    spawner.cert_paths = {name: str(files[name]) for name in ("keyfile", "certfile", "cafile")}
    spawner.internal_trust_bundles = {"hub-ca": str(files["hub-ca"])}
    spawner.gateway_ca_file = str(files["gateway"])
    pod, secret = await spawner.get_pod_manifest(), spawner.get_secret_manifest({})
    (server,) = pod.spec.containers
    environment = {one.name: one.value for one in server.env}
    (volume,) = (one for one in map(plain, pod.spec.volumes) if one["name"] == CERTIFICATES)
    (mount,) = (one for one in map(plain, server.volume_mounts) if one["name"] == CERTIFICATES)
    assert volume["secret"]["secretName"] == secret.metadata.name
    ours = [f"JUPYTERHUB_SSL_{end}" for end in ("KEYFILE", "CERTFILE", "CLIENT_CA")]
    for variable in ("JUPYTER_GATEWAY_CA_CERTS", *ours):
        folder, _, name = environment[variable].rpartition("/")
        assert (f"{folder}/", name in secret.data) == (mount["mountPath"], True), variable


def plain(model: Any) -> dict[str, Any]:
    """Return an object of a manifest as JSON has it."""
    from kubernetes_asyncio.client import ApiClient

    made: dict[str, Any] = ApiClient.sanitize_for_serialization(ApiClient.__new__(ApiClient), model)
    return made
