"""Older names of the keys of Zero to JupyterHub's chart, and the keys that are generated."""

from __future__ import annotations

from kernelpod.base.chartkeys import words
from kernelpod.importers.moves import Values

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
# What is a mapping, and what is a list, in the schemas of all charts from 3.3 to 4.4.
MAPPINGS = words(
    "hub.annotations hub.config hub.containerSecurityContext hub.db hub.db.pvc hub.deploymentStrategy "
    "hub.extraFiles hub.extraPodSpec hub.image hub.labels hub.lifecycle hub.lifecycle.postStart "
    "hub.lifecycle.preStop hub.livenessProbe hub.loadRoles hub.networkPolicy "
    "hub.networkPolicy.egressAllowRules hub.nodeSelector hub.pdb hub.readinessProbe hub.resources "
    "hub.service hub.service.annotations hub.service.ports hub.serviceAccount "
    "hub.serviceAccount.annotations hub.services hub.templateVars prePuller.annotations "
    "prePuller.containerSecurityContext prePuller.continuous prePuller.continuous.daemonsetAnnotations "
    "prePuller.continuous.serviceAccount prePuller.extraImages prePuller.hook "
    "prePuller.hook.containerSecurityContext prePuller.hook.daemonsetAnnotations prePuller.hook.image "
    "prePuller.hook.nodeSelector prePuller.hook.resources prePuller.hook.serviceAccount "
    "prePuller.hook.serviceAccountImagePuller prePuller.labels prePuller.pause "
    "prePuller.pause.containerSecurityContext prePuller.pause.image prePuller.resources proxy.annotations "
    "proxy.chp proxy.chp.containerSecurityContext proxy.chp.extraPodSpec proxy.chp.image "
    "proxy.chp.livenessProbe proxy.chp.networkPolicy proxy.chp.nodeSelector proxy.chp.pdb "
    "proxy.chp.readinessProbe proxy.chp.resources proxy.deploymentStrategy proxy.https "
    "proxy.https.letsencrypt proxy.https.manual proxy.https.secret proxy.labels proxy.secretSync "
    "proxy.secretSync.containerSecurityContext proxy.secretSync.image proxy.secretSync.resources "
    "proxy.service proxy.service.annotations proxy.service.labels proxy.service.nodePorts proxy.traefik "
    "proxy.traefik.containerSecurityContext proxy.traefik.extraDynamicConfig proxy.traefik.extraPodSpec "
    "proxy.traefik.extraStaticConfig proxy.traefik.hsts proxy.traefik.image proxy.traefik.labels "
    "proxy.traefik.networkPolicy proxy.traefik.nodeSelector proxy.traefik.pdb proxy.traefik.resources "
    "proxy.traefik.serviceAccount scheduling.corePods scheduling.corePods.nodeAffinity "
    "scheduling.podPriority scheduling.userPlaceholder scheduling.userPlaceholder.annotations "
    "scheduling.userPlaceholder.containerSecurityContext scheduling.userPlaceholder.extraPodSpec "
    "scheduling.userPlaceholder.image scheduling.userPlaceholder.labels "
    "scheduling.userPlaceholder.resources scheduling.userPods scheduling.userPods.nodeAffinity "
    "scheduling.userScheduler scheduling.userScheduler.annotations "
    "scheduling.userScheduler.containerSecurityContext scheduling.userScheduler.extraPodSpec "
    "scheduling.userScheduler.image scheduling.userScheduler.labels scheduling.userScheduler.nodeSelector "
    "scheduling.userScheduler.pdb scheduling.userScheduler.plugins scheduling.userScheduler.resources "
    "scheduling.userScheduler.serviceAccount singleuser.cloudMetadata singleuser.cpu "
    "singleuser.extraAnnotations singleuser.extraFiles singleuser.extraLabels "
    "singleuser.extraNodeAffinity singleuser.extraPodAffinity singleuser.extraPodAntiAffinity "
    "singleuser.extraPodConfig singleuser.extraResource singleuser.extraResource.guarantees "
    "singleuser.extraResource.limits singleuser.image singleuser.lifecycleHooks "
    "singleuser.lifecycleHooks.postStart singleuser.lifecycleHooks.preStop singleuser.memory "
    "singleuser.networkPolicy singleuser.networkPolicy.egressAllowRules singleuser.networkTools "
    "singleuser.networkTools.image singleuser.networkTools.resources singleuser.nodeSelector "
    "singleuser.storage singleuser.storage.dynamic singleuser.storage.extraLabels "
    "singleuser.storage.static"
)
LISTS = words(
    "hub.args hub.command hub.db.pvc.accessModes hub.extraContainers hub.extraVolumeMounts "
    "hub.extraVolumes hub.image.pullSecrets hub.networkPolicy.allowedIngressPorts "
    "hub.networkPolicy.egress hub.networkPolicy.ingress hub.service.extraPorts hub.service.ipFamilies "
    "hub.templatePaths hub.tolerations prePuller.extraTolerations prePuller.hook.image.pullSecrets "
    "prePuller.hook.tolerations prePuller.pause.image.pullSecrets proxy.chp.extraCommandLineFlags "
    "proxy.chp.image.pullSecrets proxy.chp.networkPolicy.allowedIngressPorts "
    "proxy.chp.networkPolicy.egress proxy.chp.networkPolicy.ingress proxy.chp.tolerations "
    "proxy.https.hosts proxy.secretSync.image.pullSecrets proxy.service.externalIPs "
    "proxy.service.extraPorts proxy.service.ipFamilies proxy.service.loadBalancerSourceRanges "
    "proxy.traefik.extraInitContainers proxy.traefik.extraPorts proxy.traefik.extraVolumeMounts "
    "proxy.traefik.extraVolumes proxy.traefik.image.pullSecrets "
    "proxy.traefik.networkPolicy.allowedIngressPorts proxy.traefik.networkPolicy.egress "
    "proxy.traefik.networkPolicy.ingress proxy.traefik.tolerations scheduling.corePods.tolerations "
    "scheduling.userPlaceholder.image.pullSecrets scheduling.userPods.tolerations "
    "scheduling.userScheduler.image.pullSecrets scheduling.userScheduler.pluginConfig "
    "scheduling.userScheduler.tolerations singleuser.extraContainers "
    "singleuser.extraNodeAffinity.preferred singleuser.extraNodeAffinity.required "
    "singleuser.extraPodAffinity.preferred singleuser.extraPodAffinity.required "
    "singleuser.extraPodAntiAffinity.preferred singleuser.extraPodAntiAffinity.required "
    "singleuser.extraTolerations singleuser.image.pullSecrets "
    "singleuser.networkPolicy.allowedIngressPorts singleuser.networkPolicy.egress "
    "singleuser.networkPolicy.ingress singleuser.networkTools.image.pullSecrets singleuser.profileList "
    "singleuser.storage.dynamic.storageAccessModes"
)


def drop_other_shapes(values: Values) -> None:
    """Drop what is neither a mapping nor a list where every chart takes only that: it would refuse the file."""
    classes = {f"hub.config.{name}" for name in values.section("hub.config") if "." not in name}
    for places, kind, word in ((MAPPINGS | classes, dict, "mapping of keys"), (LISTS, list, "list")):
        for place in sorted(places):
            value = values.get(place)
            if value is not None and not isinstance(value, kind):
                values.drop(place, f"a {word} was expected here")
