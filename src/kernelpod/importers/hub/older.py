"""What came with the old chart and not from its values: images of its own programs, and defaults that changed."""

from __future__ import annotations

from typing import Any

from kernelpod.importers.moves import Values
from kernelpod.importers.version import is_before

# The chart's own programs, by the values that name their images.
_PROGRAMS = {
    "hub.image": "k8s-hub",
    "prePuller.hook.image": "k8s-image-awaiter",
    "prePuller.pause.image": "pause",
    "proxy.chp.image": "configurable-http-proxy",
    "proxy.secretSync.image": "k8s-secret-sync",
    "proxy.traefik.image": "traefik",
    "scheduling.userPlaceholder.image": "pause",
    "scheduling.userScheduler.image": "kube-scheduler",
    "singleuser.networkTools.image": "k8s-network-tools",
}
_PUBLIC = ("docker.io", "gcr.io", "k8s.gcr.io", "quay.io", "registry.k8s.io")
# The first version whose chart serves HTTPS only if it is told to.
_HTTPS_IS_SAID = (0, 10)


def take_older(values: Values, version: str) -> None:
    """Drop images that belong to the old chart, and say what its defaults were. `version` is the old chart's."""
    for place, program in _PROGRAMS.items():
        _image(values, place, program)
    _https(values, version)
    if values.get("rbac.create") is False:
        why = (
            "the chart then gives the hub no right to start servers: give it to the hub's account, or leave it out"
        )
        values.note("rbac.create", "warning", why)


def _image(values: Values, place: str, program: str) -> None:
    image: Any = values.get(place)
    if not isinstance(image, dict) or not {"name", "tag"} & image.keys():
        return
    name = image.get("name") or program
    registry, _, _ = str(name).rpartition("/")
    if str(name).rpartition("/")[2] != program:
        why = "it was built for the old chart: build it on that of the new one, or leave it out"
        values.note(f"{place}.name", "warning", why)
        return
    values.drop(f"{place}.tag", "it is of the old chart's version, and the new chart has its own")
    host = registry.partition("/")[0]
    if host in _PUBLIC or "." not in host:
        values.drop(f"{place}.name", "the new chart names it by itself")


def _https(values: Values, version: str) -> None:
    """Switch HTTPS on where the old chart had it on by default, for a hub that has a host name."""
    before = is_before(version, _HTTPS_IS_SAID)
    before = values.has("auth") if before is None else before
    section = values.section("proxy.https")
    if before and section.get("hosts") and "enabled" not in section:
        values.put("proxy.https.enabled", True, "proxy.https.enabled")
        why = "enabled: true, as was the chart's default before 0.10; without it the hub has no HTTPS since then"
        values.note("proxy.https", "added", why)
