"""Keys of the values of Zero to JupyterHub's chart, and where a file of values has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# Sections of the chart, of any version.
SECTIONS = words(
    "fullnameOverride nameOverride enabled custom global imagePullSecret imagePullSecrets hub proxy singleuser "
    "scheduling ingress httpRoute prePuller cull debug rbac"
)
# The first version whose chart has a section that older ones lack.
SINCE = {"httpRoute": (4, 1)}
# Keys of sections, which are the same from chart 3.3 to 4.4.
KEYS = {
    "hub": words(
        "activeServerLimit allowNamedServers annotations args authenticatePrometheus baseUrl command "
        "concurrentSpawnLimit config consecutiveFailureLimit containerSecurityContext cookieSecret db "
        "deploymentStrategy existingSecret extraConfig extraContainers extraEnv extraFiles extraPodSpec "
        "extraVolumeMounts extraVolumes fsGid image initContainers labels lifecycle livenessProbe loadRoles "
        "namedServerLimitPerUser networkPolicy nodeSelector pdb podSecurityContext readinessProbe "
        "redirectToServer resources revisionHistoryLimit service serviceAccount services shutdownOnLogout "
        "templatePaths templateVars tolerations"
    ),
    "singleuser": words(
        "allowPrivilegeEscalation cloudMetadata cmd cpu defaultUrl events extraAnnotations extraContainers "
        "extraEnv extraFiles extraLabels extraNodeAffinity extraPodAffinity extraPodAntiAffinity "
        "extraPodConfig extraResource extraTolerations fsGid image initContainers lifecycleHooks memory "
        "networkPolicy networkTools nodeSelector podNameTemplate profileList serviceAccountName startTimeout "
        "storage uid"
    ),
    "debug": words("enabled"),
    "prePuller": words(
        "annotations containerSecurityContext continuous extraImages extraTolerations hook labels pause "
        "pullProfileListImages resources revisionHistoryLimit"
    ),
    "rbac": words("create"),
    "scheduling": words("corePods podPriority userPlaceholder userPods userScheduler"),
    "cull": words("adminUsers concurrency enabled every maxAge removeNamedServers timeout users"),
    "proxy": words("annotations chp deploymentStrategy https labels secretSync secretToken service traefik"),
}


# What is only in values of this chart: a section with one of these keys. `auth` is of charts before 0.11.
_SURE = {
    "hub": words(
        "config extraConfig cookieSecret db services loadRoles existingSecret baseUrl allowNamedServers "
        "concurrentSpawnLimit extraConfigMap extraEnv extraFiles"
    ),
    "singleuser": words(
        "image storage profileList defaultUrl memory cpu cmd cloudMetadata extraEnv extraFiles lifecycleHooks "
        "startTimeout uid fsGid networkPolicy extraPodConfig"
    ),
    "proxy": words("secretToken chp traefik"),
    "auth": words("type admin whitelist dummy"),
}
_MOST_LEVELS = 6


def nested(values: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of mappings that are values of the chart, as in values of a chart that contains it.

    The path is empty if all of `values` are the chart's.
    """
    if not isinstance(values, dict) or len(above) > _MOST_LEVELS:
        return
    sections = {key: values[key] for key in _SURE if isinstance(values.get(key), dict)}
    if any(
        _SURE[key] & inner.keys() or (key in ("hub", "singleuser") and not inner)
        for key, inner in sections.items()
    ):
        yield above
        return
    for key, inner in values.items():
        yield from nested(inner, (*above, str(key)))
