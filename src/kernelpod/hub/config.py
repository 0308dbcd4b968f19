"""Configures a JupyterHub so that its users' servers start their kernels through the gateway.

from kernelpod.hub.config import configure, use_course_allow_list, use_revoke_page
configure(c, load(Path("/etc/kernelpod/settings.yaml")))
use_course_allow_list(c)
use_revoke_page(c)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyterhub.app import JupyterHub

from kernelpod.base.logs import escape_logs
from kernelpod.courses.logo import RosterWithLogo
from kernelpod.courses.resolver import CourseResolver
from kernelpod.errors import SettingsError
from kernelpod.hub import servers
from kernelpod.hub.audit import write_audit_log
from kernelpod.hub.logins.allowlist import with_allow_list
from kernelpod.hub.logins.mixed import mixed
from kernelpod.hub.pages.revoke import PLACE, WithRevokePage, reach
from kernelpod.hub.pages.theme import add_variables, show_theme, template_folder, use_templates
from kernelpod.hub.servicetokens import end_former_tokens
from kernelpod.hub.spawners.base import KernelpodSpawner, identity_of
from kernelpod.settings.hubs import Hub
from kernelpod.settings.sections import Settings
from kernelpod.start.entitlements import Entitlements, entitlements
from kernelpod.start.userids import require_user_ids


def configure(c: Any, settings: Settings, hub_name: str = "") -> None:
    """Set everything that servers need on the hub's configuration `c`.

    This sets the gateway's service, the scope with which users and their servers use it, the environment,
    arguments, hosts and grace periods of servers, and the service for idle culling, if it is on. Lists and
    mappings in `c` are extended and never replaced. `hub_name` is this hub's name in the settings, if they have
    several hubs. Foreign text in the hub's log is escaped from now on, and a new token of one of the services that
    are set here ends its former ones. Raises SettingsError.
    """
    escape_logs()
    hub = settings.hub(hub_name)
    end_former_tokens((hub.service, servers.admin_service(hub), servers.CULLER))
    _grant(c, settings, hub)
    write_audit_log(c, settings, hub)
    for name, value in servers.subdomains(hub).items():
        c.JupyterHub[name] = value
    if settings.culling.idle_seconds:
        _cull(c, settings)
    add_variables(c, servers.page_notes(settings))
    know_courses(c, settings, hub)
    if resolver := c.KernelpodSpawner.courses():
        show_theme(c, resolver, template_folder())
    c.Spawner.environment.update(server_environment(settings, hub))
    c.Spawner.args.extend(servers.arguments(settings))
    c.KubeSpawner.delete_grace_period = servers.grace_period_seconds(settings)
    c.LocalProcessSpawner.interrupt_timeout = servers.grace_period_seconds(settings)


def know_courses(c: Any, settings: Settings, hub: Hub) -> None:
    """Pass the settings, this hub, and its courses, if it has any, to Kernelpod's spawners.

    Raises SettingsError.
    """
    require_user_ids(settings, hub)
    resolver = CourseResolver(RosterWithLogo(hub.courses, settings, hub.name)) if hub.courses else None
    c.KernelpodSpawner.settings, c.KernelpodSpawner.of_hub = settings, hub
    # A function, because traitlets would give every spawner a copy of any other object.
    c.KernelpodSpawner.courses = lambda: resolver


def use_proxy(c: Any) -> None:
    """Let the hub run Kernelpod's proxy, unless `c` has a command. Call it after `subdomain_host` may be set."""
    if "command" not in c.ConfigurableHTTPProxy:
        c.ConfigurableHTTPProxy.command = servers.proxy_command(c.JupyterHub.get("subdomain_host", ""))


def use_course_allow_list(c: Any, templates: str = "") -> None:
    """Let only users in the lists of the courses file log in, if `configure` found a courses file.

    Call it after the authenticator has been chosen. Users who are in no course cannot start a server in any case.
    Templates and variables that have been added to `c` before take precedence over the theme. `templates` is the
    folder of Kernelpod's templates, if it is not in this package.
    """
    if resolver := c.KernelpodSpawner.courses():
        c.JupyterHub.authenticator_class = with_allow_list(c.JupyterHub.authenticator_class, resolver)
        show_theme(c, resolver, templates or template_folder())


def use_revoke_page(c: Any, templates: str = "") -> None:
    """Give the hub the page on which admins revoke a user. Call it after the authenticator has been chosen.

    `templates` is the folder of Kernelpod's templates, if it is not in this package.
    """
    settings, hub = c.KernelpodSpawner.settings, c.KernelpodSpawner.of_hub
    authority = c.PodSpawner.get("gateway_ca_file") or settings.servers.gateway_ca_file
    c.JupyterHub.authenticator_class = mixed(
        WithRevokePage, c.JupyterHub.authenticator_class, reach=reach(settings, hub, authority)
    )
    use_templates(c, templates or template_folder())
    add_variables(c, {"revoke_page": PLACE.removeprefix("/")})


def _grant(c: Any, settings: Settings, hub: Hub) -> None:
    access = servers.access_scope(hub)
    service = {"name": hub.service, "display": False}
    if token := hub.service_token():
        service["api_token"] = token.get_secret_value()
    c.JupyterHub.services.append(service)
    if "extra_user_scopes" in JupyterHub.class_trait_names():
        c.JupyterHub.extra_user_scopes.update({access})
    else:  # JupyterHub 5 and before
        c.JupyterHub.load_roles.append({"name": "user", "scopes": ["self", access]})
    gateway = {"name": "kernelpod-gateway", "services": [hub.service], "scopes": [*servers.GATEWAY_SCOPES]}
    c.JupyterHub.load_roles.append(gateway)
    c.Spawner.server_token_scopes = servers.token_scopes(settings, hub)
    admin = settings.identity.admin_scope
    if admin.startswith("custom:"):
        c.JupyterHub.custom_scopes.update({admin: {"description": servers.ADMIN_SCOPE_MEANS}})
        c.JupyterHub.load_roles.append({"name": servers.ADMIN_ROLE, "scopes": [admin, access]})
    if token := hub.admin_token():
        name = servers.admin_service(hub)
        service = {"name": name, "display": False, "api_token": token.get_secret_value()}
        c.JupyterHub.services.append(service)
        role = {"name": "kernelpod-revoke", "services": [name], "scopes": servers.admin_scopes(settings, hub)}
        c.JupyterHub.load_roles.append(role)


def _cull(c: Any, settings: Settings) -> None:
    """Add JupyterHub's idle culler, which ends servers after their idle kernels have ended."""
    c.JupyterHub.services.append({"name": servers.CULLER, "command": servers.culler_command(settings)})
    role = {"name": servers.CULLER, "services": [servers.CULLER], "scopes": [*servers.CULLER_SCOPES]}
    c.JupyterHub.load_roles.append(role)


def server_environment(settings: Settings, hub: Hub) -> dict[str, str | Callable[[Any], str]]:
    """Return the environment of single-user servers; values that differ by user are functions of the spawner."""
    return {
        **servers.environment(settings, hub),
        "JUPYTER_GATEWAY_AUTH_TOKEN": lambda spawner: str(spawner.api_token),
        "KERNEL_PATH": lambda spawner: server_entitlements(settings, hub, spawner).mounts.home.path,
    }


def server_entitlements(settings: Settings, hub: Hub, spawner: Any) -> Entitlements:
    """Return what a user is entitled to in their server: the same as in their kernels.

    Raises SettingsError on a hub with courses if the spawner does not support courses.
    """
    if isinstance(spawner, KernelpodSpawner):
        return spawner.entitlements
    if hub.courses:
        raise SettingsError(
            f"hubs.courses: {type(spawner).__name__} does not support courses; "
            "set JupyterHub.spawner_class to kernelpod.hub.spawners.pod.PodSpawner"
        )
    return entitlements(settings, identity_of(hub, spawner.user), None)
