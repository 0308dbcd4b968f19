"""The keys that Zero to JupyterHub's chart knows, and what older names of them became."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# By section, the keys that version 3.3 or later takes; it refuses others.
KNOWN: dict[str, frozenset[str]] = {
    "cull": _words("adminUsers concurrency enabled every maxAge removeNamedServers timeout users"),
    "debug": frozenset(("enabled",)),
    "hub": _words(
        "activeServerLimit allowNamedServers annotations args authenticatePrometheus baseUrl command "
        "concurrentSpawnLimit config consecutiveFailureLimit containerSecurityContext cookieSecret db "
        "deploymentStrategy existingSecret extraConfig extraContainers extraEnv extraFiles extraPodSpec "
        "extraVolumeMounts extraVolumes fsGid image initContainers labels lifecycle livenessProbe "
        "loadRoles namedServerLimitPerUser networkPolicy nodeSelector pdb podSecurityContext "
        "readinessProbe redirectToServer resources revisionHistoryLimit service serviceAccount services "
        "shutdownOnLogout templatePaths templateVars tolerations"
    ),
    "prePuller": _words(
        "annotations containerSecurityContext continuous extraImages extraTolerations hook labels pause "
        "pullProfileListImages resources revisionHistoryLimit"
    ),
    "proxy": _words("annotations chp deploymentStrategy https labels secretSync secretToken service traefik"),
    "rbac": frozenset(("create",)),
    "scheduling": _words("corePods podPriority userPlaceholder userPods userScheduler"),
    "singleuser": _words(
        "allowPrivilegeEscalation cloudMetadata cmd cpu defaultUrl events extraAnnotations "
        "extraContainers extraEnv extraFiles extraLabels extraNodeAffinity extraPodAffinity "
        "extraPodAntiAffinity extraPodConfig extraResource extraTolerations fsGid image initContainers "
        "lifecycleHooks memory networkPolicy networkTools nodeSelector podNameTemplate profileList "
        "serviceAccountName startTimeout storage uid"
    ),
}
RENAMED = {
    # Names before JupyterHub 1.2, and names that people used by mistake.
    "hub.config.Authenticator.whitelist": "hub.config.Authenticator.allowed_users",
    "hub.config.Authenticator.allowlist": "hub.config.Authenticator.allowed_users",
    "hub.config.Authenticator.blacklist": "hub.config.Authenticator.blocked_users",
    "hub.config.Authenticator.blocklist": "hub.config.Authenticator.blocked_users",
    "hub.extraConfigMap": "custom",
    "hub.imagePullPolicy": "hub.image.pullPolicy",
    "hub.uid": "hub.containerSecurityContext.runAsUser",
    "imagePullSecret.enabled": "imagePullSecret.create",
    "proxy.containerSecurityContext": "proxy.chp.containerSecurityContext",
    "proxy.networkPolicy": "proxy.chp.networkPolicy",
    "proxy.nodeSelector": "proxy.chp.nodeSelector",
    "proxy.pdb": "proxy.chp.pdb",
    "proxy.resources": "proxy.chp.resources",
    "proxy.tolerations": "proxy.chp.tolerations",
    "rbac.enabled": "rbac.create",
    "singleuser.imagePullPolicy": "singleuser.image.pullPolicy",
}
# Mappings of which `kernelpod hub values` makes a part; null would remove it.
GENERATED = _words(
    "hub hub.config hub.extraConfig hub.extraFiles hub.extraVolumes hub.extraVolumeMounts "
    "hub.initContainers hub.loadRoles hub.networkPolicy hub.services proxy proxy.chp singleuser "
    "singleuser.cloudMetadata singleuser.cmd singleuser.extraAnnotations singleuser.extraEnv "
    "singleuser.extraLabels singleuser.extraPodConfig singleuser.extraResource "
    "singleuser.initContainers singleuser.networkPolicy singleuser.networkPolicy.egress "
    "singleuser.networkPolicy.egressAllowRules singleuser.startTimeout singleuser.storage "
    "singleuser.storage.extraVolumeMounts singleuser.storage.extraVolumes"
)
