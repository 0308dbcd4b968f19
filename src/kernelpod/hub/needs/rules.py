"""The rules by which a trait of a hub's configuration breaks servers or kernels, whatever sets the trait."""

from __future__ import annotations

from kernelpod.hub.needs import rule as says
from kernelpod.hub.needs.rule import Rule

HOME = "servers and kernels would have different homes; set homes in the settings instead"
IDS = "servers and kernels would have different ids; set policy.uid and policy.gid instead"
LIST = "this replaces the generated entries and lacks some; copy them, because"
CULLING = "set culling.idle_seconds instead"
MEMORY = "a restarted hub loses all running servers"
_ARGUMENTS = "the generated arguments are lost, so Lab would show every kernel as Unknown"
_ORIGIN = "servers would share an origin, or have no addresses; set hubs[].subdomain_host in the settings instead"
_FAILURES = "any user whose server fails to start can end the hub"
_COOKIES = "a server's page could log somebody in as another user"
_PRIVILEGED = "servers get all privileges of their node"
_PRIVILEGES = "servers may get privileges"
_NODE = "servers reach the network or the processes of their node, where network policies do not hold"
TWICE = "a generated volume or mount has the same, so no pod could start; choose another"
_AGAIN = "two entries are for the same name or place, so no pod could start; remove one"
_EACH = "Spawner.environment."
# The first of the rules of a path that is broken is told.
RULES = (
    Rule("Spawner.server_token_scopes", says.lacks_ours, "servers need the generated scopes; add them"),
    Rule("Spawner.cmd", says.differs, f"{_ARGUMENTS}; remove cmd"),
    Rule("Spawner.args", says.lacks_ours, f"{_ARGUMENTS}; add them"),
    Rule("Spawner.args", says.is_added, "these may override the generated ones in cmd", "warning"),
    Rule(
        "Spawner.environment",
        says.lacks_ours,
        "the generated variables are lost, so servers could not use the gateway",
    ),
    Rule(f"{_EACH}KERNEL_PATH", lambda ours, yours: ours != yours, HOME),
    Rule(f"{_EACH}JUPYTER_GATEWAY_*", says.differs, "servers could not reach or use the gateway"),
    Rule(f"{_EACH}*_ACTIVITY_*", says.differs, f"servers report busy kernels too late; {CULLING}"),
    Rule(f"{_EACH}HOME", says.differs, HOME),
    Rule("Spawner.delete_grace_period", says.smaller, "servers end before their kernels are deleted"),
    Rule(
        "Spawner.start_timeout", says.smaller, "a server that stops may still be deleting its kernels", "warning"
    ),
    Rule("Spawner.consecutive_failure_limit", says.differs, _FAILURES, "warning"),
    Rule("Spawner.uid", says.differs, IDS),
    Rule("Spawner.gid", says.differs, IDS),
    Rule("Spawner.working_dir", says.differs, "servers would not start in their home; remove it"),
    Rule("Spawner.pvc_name_template", says.differs, HOME),
    Rule("Spawner.storage_pvc_ensure", says.differs, HOME),
    Rule("Spawner.volumes*", says.lacks_ours, f"{LIST} one of them is the home"),
    Rule("Spawner.volume_mounts*", says.lacks_ours, f"{LIST} one of them is the home"),
    Rule("Spawner.volumes", says.repeats("name"), _AGAIN),
    Rule("Spawner.volume_mounts", says.repeats("mountPath"), _AGAIN),
    Rule("Spawner.volumes.*.name", says.is_among("name"), TWICE, beside="Spawner.volumes"),
    Rule("Spawner.volume_mounts.*.mountPath", says.is_among("mountPath"), TWICE, beside="Spawner.volume_mounts"),
    Rule("Spawner.init_containers", says.lacks_ours, f"{LIST} one of them creates homes"),
    Rule(
        "Spawner.extra_pod_config",
        says.lacks_ours,
        "the generated fields of the pod are lost; add yours in singleuser.extraPodConfig instead",
    ),
    Rule("Spawner.extra_pod_config.hostUsers", says.differs, _PRIVILEGES, "warning"),
    *(
        Rule(f"Spawner.extra_pod_config.host{one}", says.is_on, _NODE, "warning")
        for one in ("Network", "PID", "IPC")
    ),
    Rule("Spawner.*_security_context.privileged", says.is_on, _PRIVILEGED, "warning"),
    Rule("Spawner.*_security_context.capabilities.add", says.is_on, _PRIVILEGES, "warning"),
    Rule("Spawner.container_security_context*", says.lacks_ours, _PRIVILEGES, "warning"),
    Rule("Spawner.pod_security_context*", says.lacks_ours, _PRIVILEGES, "warning"),
    Rule("Spawner.allow_privilege_escalation", says.is_on, _PRIVILEGES, "warning"),
    Rule("Spawner.privileged", says.is_on, _PRIVILEGED, "warning"),
    Rule("JupyterHub.db_url", says.is_in_memory, MEMORY),
    Rule("JupyterHub.subdomain_host", says.differs, _ORIGIN),
    Rule("JupyterHub.cookie_host_prefix_enabled", says.differs, _COOKIES, "warning"),
)
