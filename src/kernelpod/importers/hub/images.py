"""Converts the images of the chart's own parts: a new chart needs those of its own version."""

from __future__ import annotations

from kernelpod.importers.moves import Values

# Where the chart names an image of its own, and the last part of that image's name.
_OWN = {
    "hub": "k8s-hub",
    "prePuller.hook": "k8s-image-awaiter",
    "prePuller.pause": "pause",
    "proxy.chp": "configurable-http-proxy",
    "proxy.secretSync": "k8s-secret-sync",
    "proxy.traefik": "traefik",
    "scheduling.userPlaceholder": "pause",
    "scheduling.userScheduler": "kube-scheduler",
    "singleuser.networkTools": "k8s-network-tools",
}


def take_images(values: Values) -> None:
    """Drop the tags of the chart's own images; the name stays, as it may be that of a mirror."""
    for place, own in _OWN.items():
        image = values.section(f"{place}.image")
        name, tag = str(image.get("name", own)).rpartition("/")[2], image.get("tag")
        if name == own:
            values.drop(f"{place}.image.tag", "it was the old chart's; the new chart has the tag that it needs")
        elif place == "hub" and tag:
            values.note(
                f"{place}.image.tag", "warning", "an image of your own: build it from the k8s-hub of the new chart"
            )
