"""Configures courses in Zero to JupyterHub's own hub, because the chart's values cannot express them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kernelpod.base.logs import escape_logs
from kernelpod.hub.config import know_courses, server_entitlements, use_course_allow_list, use_revoke_page
from kernelpod.hub.spawners.pod import PodSpawner
from kernelpod.settings.loading import load


def configure_zero(c: Any, settings_file: str, hub_name: str, templates: str) -> None:
    """Let the courses file control servers and logins of the chart's hub, and admins revoke users on a page.

    The values configure everything else.

    `templates` is the folder of this package's templates in the hub's pod, where the package is a zip archive.

    Called by the last block of `hub.extraConfig`, after the authenticator is set. Raises SettingsError.
    """
    escape_logs()
    settings = load(Path(settings_file))
    hub = settings.hub(hub_name)
    know_courses(c, settings, hub)
    c.JupyterHub.spawner_class = PodSpawner
    c.KubeSpawner.environment["KERNEL_PATH"] = lambda spawner: (
        server_entitlements(settings, hub, spawner).mounts.home.path
    )
    use_course_allow_list(c, templates)
    use_revoke_page(c, templates)
