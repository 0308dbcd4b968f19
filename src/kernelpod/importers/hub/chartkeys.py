"""Older names of the keys of Zero to JupyterHub's chart, and the keys that are generated."""

from __future__ import annotations

from kernelpod.base.chartkeys import words

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
GENERATED = words(
    "hub hub.config hub.extraConfig hub.extraFiles hub.extraVolumes hub.extraVolumeMounts "
    "hub.initContainers hub.loadRoles hub.networkPolicy hub.services proxy proxy.chp singleuser "
    "singleuser.cloudMetadata singleuser.cmd singleuser.extraAnnotations singleuser.extraEnv "
    "singleuser.extraLabels singleuser.extraPodConfig singleuser.extraResource "
    "singleuser.initContainers singleuser.networkPolicy singleuser.networkPolicy.egress "
    "singleuser.networkPolicy.egressAllowRules singleuser.startTimeout singleuser.storage "
    "singleuser.storage.extraVolumeMounts singleuser.storage.extraVolumes"
)
