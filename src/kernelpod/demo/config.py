"""The configuration of the demo's hub and gateway."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kernelpod.demo.stack import Stack

USERS = ("alice", "bob", "john.doe", "ünal", "a@b.org", "mallory")
ADMIN = "ada"


def settings(stack: Stack) -> dict[str, Any]:
    """Return the settings of hub and gateway."""
    kernels = stack.checkout / ".envs" / "kernels"
    switch = stack.sandboxed and os.getuid() == 0
    return {
        "hubs": [
            {
                "name": "demo",
                "api_url": f"http://127.0.0.1:{stack.ports['hub']}/hub/api",
                "token_file": str(stack.folder / "service-token"),
                "admin_token_file": str(stack.folder / "admin-token"),
                **({"subdomain_host": stack.url} if stack.subdomains else {}),
            }
        ],
        "gateway": {"port": stack.ports["gateway"], "stop_kernels_on_exit": True},
        "audit": {"file": str(stack.audit), "hub_file": str(stack.audit)},
        "servers": {"gateway_url": stack.gateway_url},
        "kernelspecs": {"path": str(stack.folder / "kernelspecs")},
        "policy": {"uid": 1000 if switch else os.getuid(), "gid": 100 if switch else os.getgid()},
        "homes": {"root": str(stack.homes), "create_local": True},
        "runtime": {
            "kind": "local",
            "local": {
                "state_dir": str(stack.state / "k"),
                "sandbox": "required" if stack.sandboxed else "none",
                "search_path": [str(kernels / "bin")],
                "read_only_paths": [str(kernels), str(_base_python(kernels))],
            },
        },
    }


def hub_config(stack: Stack) -> str:
    """Return the hub's configuration file."""
    values: dict[str, Any] = {
        "JupyterHub.bind_url": f"http://127.0.0.1:{stack.ports['proxy']}",
        "JupyterHub.hub_bind_url": f"http://127.0.0.1:{stack.ports['hub']}",
        "JupyterHub.db_url": f"sqlite:///{stack.state}/jupyterhub.sqlite",
        "JupyterHub.cookie_secret_file": f"{stack.state}/cookie-secret",
        "JupyterHub.authenticator_class": "shared-password",
        "ConfigurableHTTPProxy.api_url": f"http://127.0.0.1:{stack.ports['proxy-api']}",
        "ConfigurableHTTPProxy.pid_file": f"{stack.state}/proxy.pid",
        "SharedPasswordAuthenticator.user_password": stack.password,
        "SharedPasswordAuthenticator.admin_password": stack.admin_password,
        "Authenticator.admin_users": {ADMIN},
        "Authenticator.allowed_users": set(USERS),
        "SandboxSpawner.log_folder": str(stack.logs_folder),
        "Spawner.start_timeout": 60,
    }
    # Admins of the hub have the other scopes that this needs.
    revoking = {"name": "revokes-users", "users": [ADMIN], "scopes": ["custom:kernelpod:admin"]}
    first = f"load_subconfig({str(stack.checkout / 'hub' / 'jupyterhub_config.py')!r})"
    last = (
        f"c.JupyterHub.load_roles.append({revoking!r})",
        "from kernelpod.hub.config import use_course_allow_list, use_revoke_page",
        "use_course_allow_list(c)",
        "use_revoke_page(c)",
    )
    return "\n".join([first, *(f"c.{name} = {value!r}" for name, value in values.items()), *last, ""])


def _base_python(environment: Path) -> Path:
    """Return the Python installation that an environment was made with."""
    return (environment / "bin" / "python").resolve().parents[1]
