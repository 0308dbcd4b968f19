"""Servers of pods with JupyterHub.internal_ssl: where they find their certificate and the gateway's authority."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kernelpod.deploy import internaltls, overlay
from kernelpod.deploy.settings import Deployment
from kernelpod.settings.sections import Settings
from podspawner import a_spawner

CHECKOUT = Path(__file__).parents[3]
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


def test_the_configuration_of_the_hubs_image_takes_what_deploy_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from traitlets.config import PyFileConfigLoader

    text = overlay.hub_overlay(DEPLOYMENT.hubs()[0], "{}", [])["config.yaml"]
    (secret := tmp_path / "secret").mkdir()
    for name in ("hub-ca", "notebooks-ca", "proxy-client-ca"):
        (secret / f"{name}.key").write_text(f"key of {name}", encoding="utf-8")
        (secret / f"{name}.crt").write_text(f"certificate of {name}", encoding="utf-8")
    (secret / "gateway-ca.crt").write_text("certificate of services-ca", encoding="utf-8")
    text = text.replace(internaltls.PLACE, str(secret)).replace(internaltls.CERTIFICATES, str(tmp_path / "made"))
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "settings.yaml").write_text("{}", encoding="utf-8")
    monkeypatch.setenv("KERNELPOD_SETTINGS", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("KERNELPOD_HUB_CONFIG", str(tmp_path / "config.yaml"))
    c = PyFileConfigLoader("kubernetes_config.py", str(CHECKOUT / "hub")).load_config()
    assert (c.JupyterHub.internal_ssl, c.JupyterHub.hub_connect_ip) == (True, "127.0.0.1")
    assert c.KubeSpawner.hub_connect_url == internaltls.HUB_URL
    assert c.PodSpawner.gateway_ca_file == str(secret / "gateway-ca.crt")
    found = c.JupyterHub.external_ssl_authorities
    assert sorted(found) == ["hub-ca", "notebooks-ca", "proxy-client-ca", "services-ca"]
    for name, files in found.items():
        assert all(str(tmp_path / "made-authorities") in file for file in files.values()), (
            "certipy may change these"
        )
        assert Path(files["cert"]).read_text(encoding="utf-8") == f"certificate of {name}"
    assert Path(found["hub-ca"]["key"]).read_text(encoding="utf-8") == "key of hub-ca"
