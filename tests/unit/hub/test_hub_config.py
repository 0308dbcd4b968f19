"""What the hub is told: checked against JupyterHub's own classes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kernelpod.settings.sections import Settings

pytestmark = pytest.mark.hub


def spawner(name: str) -> Any:
    return SimpleNamespace(user=SimpleNamespace(name=name, groups=[]), api_token="token-of-" + name)


@pytest.fixture
def config() -> Any:
    from traitlets.config import Config

    return Config()


def configured(config: Any, **sections: Any) -> Any:
    from kernelpod.hub.config import configure

    configure(config, Settings.model_validate(sections))
    return config


def test_server_tokens_hold_exactly_these_scopes(config: Any) -> None:
    assert configured(config).Spawner.server_token_scopes == [
        "users:activity!user",
        "read:users!user",
        "read:servers!server",
        "access:services!service=kernelpod",
    ]


def test_further_scopes_are_a_setting(config: Any) -> None:
    scopes = configured(config, servers={"extra_token_scopes": ["read:groups"]}).Spawner.server_token_scopes
    assert scopes[4:] == ["read:groups"]


def test_users_and_their_servers_may_use_the_service(config: Any) -> None:
    from jupyterhub.app import JupyterHub

    hub = JupyterHub(config=configured(config))
    if hub.has_trait("extra_user_scopes"):
        assert hub.extra_user_scopes == {"access:services!service=kernelpod"}
    else:  # JupyterHub 5
        user = {"name": "user", "scopes": ["self", "access:services!service=kernelpod"]}
        assert user in hub.load_roles
    assert [service["name"] for service in hub.services] == ["kernelpod"]
    assert "api_token" not in hub.services[0]


def test_what_the_configuration_holds_already_is_kept(config: Any) -> None:
    config.JupyterHub.services = [{"name": "other"}]
    config.JupyterHub.load_roles = [{"name": "user", "scopes": ["self", "read:hub"]}]
    config.Spawner.environment = {"A": "b"}
    configured(config)
    assert [service["name"] for service in config.JupyterHub.services] == ["other", "kernelpod"]
    assert config.JupyterHub.load_roles[0]["scopes"] == ["self", "read:hub"]
    assert config.Spawner.environment["A"] == "b"


def test_the_hubs_pages_say_where_files_are_not_kept(config: Any) -> None:
    from jupyterhub.app import JupyterHub

    config.JupyterHub.template_vars = {"announcement_home": "the admin's own", "x": "y"}
    told = JupyterHub(config=configured(config, homes={"volume": {"kind": "none"}})).template_vars
    assert told["announcement_home"] == "the admin's own"
    assert "Files are not kept" in told["announcement_spawn"]
    assert told["x"] == "y"
    del config.JupyterHub["template_vars"]
    told = JupyterHub(config=configured(config, homes={"volume": {"kind": "none"}})).template_vars
    assert told.keys() == {"announcement_home", "announcement_spawn"}


@pytest.mark.parametrize("name", ["alice", "john.doe", "ünal", "a@b.org"])
def test_the_server_is_told_the_home_it_mounts(config: Any, name: str) -> None:
    from kubespawner.slugs import safe_slug

    environment = configured(config, homes={"root": "/homes"}).Spawner.environment.get_value({})
    assert environment["KERNEL_PATH"](spawner(name)) == "/homes/" + safe_slug(name, max_length=48)
    assert environment["JUPYTER_GATEWAY_AUTH_TOKEN"](spawner(name)) == "token-of-" + name


@pytest.mark.parametrize(
    ("url", "websocket"),
    [
        ("http://gateway:8888/", "ws://gateway:8888"),
        ("https://Http.example.org/http", "wss://Http.example.org/http"),
    ],
)
def test_the_websocket_url_is_explicit(config: Any, url: str, websocket: str) -> None:
    environment = configured(config, servers={"gateway_url": url}).Spawner.environment.get_value({})
    assert environment["JUPYTER_GATEWAY_WS_URL"] == websocket


def test_servers_check_the_gateway_by_the_sites_authority(config: Any) -> None:
    made = configured(config, servers={"gateway_ca_file": "/ca/ca.crt"}).Spawner.environment.get_value({})
    assert made["JUPYTER_GATEWAY_CA_CERTS"] == "/ca/ca.crt"


def test_time_outs_follow_from_the_launch_time_out(config: Any) -> None:
    """jupyter_server asks for a launch time-out two seconds below its own; that must be the gateway's."""
    environment = configured(config, start={"launch_timeout_seconds": 100}).Spawner.environment.get_value({})
    assert environment["JUPYTER_GATEWAY_REQUEST_TIMEOUT"] == "102"


def test_without_the_extension_servers_log_no_environment(config: Any) -> None:
    assert "--ServerApp.log_level=WARN" in configured(config, servers={"extension": False}).Spawner.args.get_value(
        []
    )


def test_servers_have_time_to_delete_their_kernels(config: Any) -> None:
    configured(config, servers={"grace_period_seconds": 12.5}, policy={"max_kernels_per_user": None})
    assert config.KubeSpawner.delete_grace_period == 13
    assert config.LocalProcessSpawner.interrupt_timeout == 13


def test_idle_servers_are_ended_by_a_service_with_the_least_scopes(config: Any) -> None:
    from jupyterhub.app import JupyterHub

    hub = JupyterHub(config=configured(config, culling={"idle_seconds": 1800}))
    gateway, culler = hub.services
    assert gateway["name"] == "kernelpod"
    assert culler["command"][1:3] == ["-m", "kernelpod.hub.culler"]
    (role,) = [role for role in hub.load_roles if culler["name"] in role.get("services", ())]
    assert role["scopes"] == ["list:users", "read:servers", "delete:servers"]
    assert hub.config.Spawner.environment.get_value({})["JUPYTERHUB_ACTIVITY_INTERVAL"] == "180"


def test_without_a_number_nobody_ends_servers(config: Any) -> None:
    configured(config)
    assert [service["name"] for service in config.JupyterHub.services.get_value([])] == ["kernelpod"]
    assert not any("ACTIVITY" in name for name in config.Spawner.environment.get_value({}))


def test_the_culler_waits_before_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a hub that was away for long, all servers look idle until they have reported."""
    import jupyterhub_idle_culler

    from kernelpod.hub import culler

    done: list[Any] = []
    monkeypatch.setattr("sys.argv", ["culler", "273", "--timeout=2080"])
    monkeypatch.setattr("time.sleep", done.append)
    monkeypatch.setattr("ctypes.CDLL", lambda _: SimpleNamespace(prctl=lambda *_: 0))
    monkeypatch.setattr(jupyterhub_idle_culler, "main", lambda: done.append([*sys.argv]))
    culler.main()
    assert done == [273.0, ["culler", "--timeout=2080"]]


def test_the_admins_service_alone_may_revoke_users(config: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    from jupyterhub.app import JupyterHub

    made = JupyterHub(config=configured(config, hubs=[{"admin_token_file": str(tmp_path / "token")}]))
    assert made.services[-1] == {"name": "kernelpod-admin", "display": False, "api_token": "secret"}
    of_services = {role["name"]: role for role in made.load_roles if "services" in role}
    assert of_services["kernelpod-revoke"]["services"] == ["kernelpod-admin"]
    assert of_services["kernelpod-revoke"]["scopes"] == [
        *("delete:servers", "read:servers", "tokens", "custom:kernelpod:admin"),
        "access:services!service=kernelpod",
    ]
    assert of_services["kernelpod-gateway"]["scopes"] == ["read:servers"]


@pytest.mark.parametrize(
    ("url", "host_prefix"), [("https://hub.example.org/", True), ("http://hub.localhost:8000", False)]
)
def test_each_server_gets_a_host_of_its_own(config: Any, url: str, host_prefix: bool) -> None:
    from jupyterhub.app import JupyterHub

    from kernelpod.hub.config import use_proxy

    hub = JupyterHub(config=configured(config, hubs=[{"subdomain_host": url}]))
    assert hub.subdomain_host == url.rstrip("/")
    assert hub.cookie_host_prefix_enabled is host_prefix
    use_proxy(config)
    assert config.ConfigurableHTTPProxy.command[1:] == [
        "-m",
        "kernelpod.hub.proxy",
        f"--hub-url={url.rstrip('/')}",
    ]


def test_a_proxy_of_the_site_is_kept(config: Any) -> None:
    from kernelpod.hub.config import use_proxy

    use_proxy(configured(config))
    assert config.ConfigurableHTTPProxy.command[1:] == ["-m", "kernelpod.hub.proxy"]
    config.ConfigurableHTTPProxy.command = ["mine"]
    use_proxy(config)
    assert config.ConfigurableHTTPProxy.command == ["mine"]
