"""Keys of the values of Zero to JupyterHub's chart, and where a file of values has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Sections of the chart, of any version.
SECTIONS = _words(
    "fullnameOverride nameOverride enabled custom global imagePullSecret imagePullSecrets hub proxy singleuser "
    "scheduling ingress httpRoute prePuller cull debug rbac"
)
# The first version whose chart has a section that older ones lack.
SINCE = {"httpRoute": (4, 1)}
# Keys of sections, which are the same from chart 3.3 to 4.4.
KEYS = {
    "hub": _words(
        "activeServerLimit allowNamedServers annotations args authenticatePrometheus baseUrl command "
        "concurrentSpawnLimit config consecutiveFailureLimit containerSecurityContext cookieSecret db "
        "deploymentStrategy existingSecret extraConfig extraContainers extraEnv extraFiles extraPodSpec "
        "extraVolumeMounts extraVolumes fsGid image initContainers labels lifecycle livenessProbe loadRoles "
        "namedServerLimitPerUser networkPolicy nodeSelector pdb podSecurityContext readinessProbe "
        "redirectToServer resources revisionHistoryLimit service serviceAccount services shutdownOnLogout "
        "templatePaths templateVars tolerations"
    ),
    "singleuser": _words(
        "allowPrivilegeEscalation cloudMetadata cmd cpu defaultUrl events extraAnnotations extraContainers "
        "extraEnv extraFiles extraLabels extraNodeAffinity extraPodAffinity extraPodAntiAffinity "
        "extraPodConfig extraResource extraTolerations fsGid image initContainers lifecycleHooks memory "
        "networkPolicy networkTools nodeSelector podNameTemplate profileList serviceAccountName startTimeout "
        "storage uid"
    ),
    "cull": _words("adminUsers concurrency enabled every maxAge removeNamedServers timeout users"),
    "proxy": _words("annotations chp deploymentStrategy https labels secretSync secretToken service traefik"),
}


def nested(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of mappings that hold the chart's sections, as in values of a chart that contains it."""
    for key, inner in values.items() if isinstance(values, dict) and len(above) < 3 else ():
        if isinstance(inner, dict) and any(isinstance(inner.get(name), dict) for name in KEYS):
            yield (*above, str(key))
        else:
            yield from nested(inner, (*above, str(key)))
