"""The rules by which an admin's own values for Zero to JupyterHub break something.

Most rules are about traits, whatever value sets them (`hub/needs/rules.py`). Those here are about other values of
the chart, and about traits that matter in its hub only.
"""

from __future__ import annotations

from kernelpod.hub.needs import rule as says
from kernelpod.hub.needs.rule import Rule
from kernelpod.hub.needs.rules import CULLING, HOME, IDS, LIST, MEMORY, TWICE
from kernelpod.hub.needs.rules import RULES as OF_TRAITS

_PLACE = "the gateway asks the hub at another URL"
_METADATA = "this opens metadata services of some clouds; the generated egress allows the rest"
_SPAWNER = "another spawner does not use the generated values; remove it"
_ELSEWHERE = "the network policies of servers do not hold in other namespaces; remove it"
_CONTAINER = "this replaces a field of the server's container, which may be a generated one"
_OTHER_NAMES = "in this chart's version, other names have different homes in servers and kernels; remove it"
_KEPT_OUT = "this chart's hub does not start with names that are not plain; use chart 4.0 or later, or other names"
_ROLES = "this replaces the chart's roles, which servers and gateway need; add yours to hub.loadRoles instead"
_SERVICES = "this replaces the chart's services, such as the gateway; add yours to hub.services instead"
_UNREAD = (
    "this cannot be checked, and what it sets has the last word; look in it for traits of the spawner, roles, "
    "services and the hub's URL"
)
_CHART: tuple[Rule, ...] = (
    Rule("fullnameOverride", says.is_another(""), f"{_PLACE}, that of the Service `hub`; remove it"),
    Rule(
        "hub.baseUrl",
        says.differs,
        f"{_PLACE}; in the settings, set hubs[].api_url to one with this path and hub/api",
    ),
    Rule("hub.db.type", says.is_in_memory, MEMORY),
    Rule("hub.loadRoles.*.scopes", says.lacks_ours, "the gateway needs the generated scopes; add them"),
    Rule("hub.loadRoles.*.services", says.lacks_ours, "the gateway needs this role; add the generated services"),
    Rule("hub.loadRoles.user", says.is_null, "without this role the hub does not start"),
    Rule("hub.loadRoles.*", says.is_null, "if a role is null, the hub does not start"),
    Rule("hub.services.*", says.is_null, "the gateway must be a service of the hub"),
    Rule("hub.networkPolicy.ingress", says.lacks_ours, f"{LIST} the gateway must reach the hub"),
    Rule("hub.networkPolicy.egress", says.lacks_ours, f"{LIST} the hub must reach servers and the API server"),
    Rule("hub.extraFiles.kernelpod*", says.differs, "the hub needs this file for its courses"),
    Rule("hub.extraConfig.90-kernelpod", says.differs, "the hub needs these lines for its courses"),
    Rule("hub.extraVolume*", says.lacks_ours, f"{LIST} the hub reads its courses or database there"),
    Rule("hub.initContainers", says.lacks_ours, f"{LIST} one of them makes the folder of the database"),
    *(
        Rule(f"hub.{one}", says.is_on, _UNREAD, "warning")
        for one in ("extraConfig.*", "existingSecret", "command", "args")
    ),
    Rule("hub.extraConfig", says.is_text, _UNREAD, "warning"),
    Rule("hub.extraFiles.*.mountPath", says.is_below("/usr/local/etc/jupyterhub"), _UNREAD, "warning"),
    Rule(
        "proxy.chp.extraCommandLineFlags",
        says.lacks_ours,
        f"{LIST} the proxy must tell the servers' hosts apart",
    ),
    Rule("singleuser.storage.type", says.differs, HOME),
    Rule("singleuser.storage.homeMountPath", says.differs, HOME),
    Rule("singleuser.extraFiles.*.mountPath", says.is_among("mountPath"), TWICE, beside="Spawner.volume_mounts"),
    Rule("singleuser.networkPolicy.enabled", says.is_off, "servers can reach all addresses, even NFS", "warning"),
    Rule("singleuser.networkPolicy.egress", says.lacks_the_first, f"{LIST} servers must reach the gateway"),
    Rule(
        "singleuser.networkPolicy.egressAllowRules.privateIPs",
        says.is_on,
        "servers can reach private addresses, even nodes and NFS; list those that they need in egress",
        "warning",
    ),
    Rule("*.networkPolicy.egressAllowRules.nonPrivateIPs", says.is_on, _METADATA, "warning"),
    Rule("*.networkPolicy.egressAllowRules.cloudMetadataServer", says.is_on, _METADATA, "warning"),
    Rule("cull.enabled", says.differs, f"kernels are culled by another setting; {CULLING}"),
    Rule("cull.timeout", says.smaller, f"servers are culled before their kernels; {CULLING}"),
    Rule("cull.every", says.is_null, f"the culler uses its own default interval; {CULLING}", "warning"),
    Rule("cull.maxAge", says.is_on, "servers are culled while their kernels are busy", "warning"),
)
_TRAITS: tuple[Rule, ...] = (
    Rule("JupyterHub.base_url", says.is_another("/"), "the chart needs it, too; set hub.baseUrl instead"),
    Rule("JupyterHub.bind_url", says.is_below_a_path, "the chart needs the path, too; set hub.baseUrl instead"),
    *(Rule(f"JupyterHub.hub_{one}", says.is_given, f"{_PLACE}; remove it") for one in ("bind_url", "port", "ip")),
    Rule("JupyterHub.load_roles", says.is_given, _ROLES),
    Rule("JupyterHub.services", says.is_given, _SERVICES),
    Rule("JupyterHub.spawner_class", says.is_another("kubespawner.KubeSpawner"), _SPAWNER),
    Rule("Spawner.environment.*", says.is_no_template, "KubeSpawner replaces {...}; double literal braces"),
    Rule("Spawner.fs_gid", says.is_on, "on some volumes the owners of all homes would change; remove it"),
    Rule("Spawner.slug_scheme", says.is_another("safe"), HOME),
    Rule("Spawner.supplemental_gids", says.is_on, f"{IDS}, and policy.rules for more groups", "warning"),
    Rule("Spawner.*_security_context.runAsUser", says.is_given, IDS),
    Rule("Spawner.*_security_context.runAsGroup", says.is_given, IDS),
    Rule("Spawner.extra_container_config.*", says.is_given, _CONTAINER, "warning"),
    Rule(
        "Spawner.extra_pod_config.*ontainers*",
        says.is_on,
        "this replaces those of the pod; use initContainers instead",
    ),
    Rule(
        "Spawner.extra_pod_config.volumes*",
        says.is_on,
        "this replaces the home; use storage.extraVolumes instead",
    ),
    Rule(
        "Spawner.extra_pod_config.securityContext*",
        says.is_on,
        "this replaces the generated one; use hub.config.KubeSpawner.pod_security_context instead",
        "warning",
    ),
    Rule("Spawner.enable_user_namespaces", says.is_on, _ELSEWHERE),
    Rule("Spawner.namespace", says.is_given, _ELSEWHERE),
    Rule("Authenticator.username_pattern", says.differs, _OTHER_NAMES),
    *(
        Rule(f"{kind}.{one}_users", says.keeps_out, _KEPT_OUT, beside="Authenticator.username_pattern")
        for kind in ("Authenticator", "JupyterHub")
        for one in ("allowed", "admin")
    ),
)
# The first rule of a path that is broken is told.
RULES = (*_CHART, *_TRAITS, *OF_TRAITS)
