"""The pod of a stock gateway's launcher beside that of Kernelpod's own gateway, for the same plan."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from doubles import a_plan
from kernelpod.base import shipped
from kernelpod.settings.sections import Settings
from kernelpod.start.plan import KernelPlan
from plans import HOSTILE, leaves, made

VOLUMES: dict[str, dict[str, str]] = {
    "nfs": {"kind": "nfs", "server": "10.0.0.5"},
    "claim": {"kind": "pvc", "claim": "homes"},
}
# What a stock gateway's pod has otherwise, by its place, and why.
DIFFERENT = {
    "metadata/name": "the launcher has no incarnations: Enterprise Gateway finds pods by a label",
    "metadata/labels": "those that Enterprise Gateway selects pods by; no network policy of ours applies",
    "metadata/annotations": "no record: a stock gateway does not adopt kernels",
    "spec/containers/0/command": "starts kernel_launcher.py, which makes the connection in the pod, then the argv",
    "spec/containers/0/ports": "one more, where kernel_launcher.py takes the gateway's signals",
    "spec/containers/0/volumeMounts": "no Secret with a connection; `readOnly: false` is left to its default",
    "spec/volumes": "the same",
}


@pytest.fixture(scope="module")
def launch() -> Iterator[Any]:
    """The launcher, imported as a stock gateway runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(shipped.launchers()))
        yield importlib.import_module("launch_kubernetes")
    for name in ("launch_kubernetes", "signed_identity"):
        sys.modules.pop(name, None)


def a_stock_plan(volume: dict[str, str], **changes: Any) -> KernelPlan:
    """Return a plan that says only what the stock mode can say."""
    settings = Settings.model_validate({"homes": {"volume": volume}})
    return a_plan(settings=settings).model_copy(update=changes)


def stock_pod(launch: Any, plan: KernelPlan, volume: dict[str, str]) -> dict[str, Any]:
    """Return the launcher's pod for a plan."""
    container = made(plan).pod["spec"]["containers"][0]
    spec = {
        "env": {"KERNEL_NAMESPACE": plan.namespace},
        "metadata": {
            "process_proxy": {"config": {"image_name": plan.image}},
            "kernelpod": {"argv": list(plan.argv), "env": plan.env, "resources": container["resources"]},
        },
    }
    home = plan.mounts.home
    root = home.path.removesuffix(f"/{home.sub_path}")
    settings = {
        "homes": {"root": root, "mount_path": home.mount_path, "volume": volume},
        "grace_period_seconds": round(plan.grace_period_seconds),
    }
    start = launch.Start(shipped.launchers(), plan.kernel_id, "10.1.2.3:8877", "key")
    identity = launch.SignedIdentity(plan.owner.name, "", home.path, plan.uid, plan.gid, 2**31)
    pod: dict[str, Any] = launch.kernel_pod(start, spec, settings, identity, {})
    return pod


def comparable(pod: dict[str, Any]) -> dict[str, Any]:
    """Return a pod's leaves, its variables in the order of their names."""
    (container,) = pod["spec"]["containers"]
    variables = sorted(container["env"], key=lambda one: str(one["name"]))
    containers = [{**container, "env": variables}]
    return leaves({**pod, "spec": {**pod["spec"], "containers": containers}})


@pytest.mark.parametrize("volume", VOLUMES.values(), ids=VOLUMES)
def test_the_template_and_the_gateway_make_the_same_pod_but_for_what_is_listed(
    launch: Any, volume: dict[str, str]
) -> None:
    plan = a_stock_plan(volume)
    ours, stock = comparable(made(plan).pod), comparable(stock_pod(launch, plan, volume))
    missing = object()
    differ = {place for place in {*ours, *stock} if ours.get(place, missing) != stock.get(place, missing)}
    found = {listed for listed in DIFFERENT for place in differ if place.startswith(f"/{listed}")}
    unlisted = [place for place in differ if not any(place.startswith(f"/{listed}") for listed in DIFFERENT)]
    assert (unlisted, found) == ([], set(DIFFERENT))


@pytest.mark.parametrize("volume", VOLUMES.values(), ids=VOLUMES)
def test_the_home_is_at_the_same_place_of_the_same_volume(launch: Any, volume: dict[str, str]) -> None:
    plan = a_stock_plan(volume)
    for key, read_only in (("volumes", "readOnly"), ("volumeMounts", "readOnly")):
        found = []
        for pod in (made(plan).pod, stock_pod(launch, plan, volume)):
            spec = pod["spec"]
            home = (spec[key] if key in spec else spec["containers"][0][key])[0]
            source = {name: value for name, value in home.items() if name != read_only}
            for inner in ("nfs", "persistentVolumeClaim"):
                if inner in source:
                    source[inner] = {k: v for k, v in source[inner].items() if k != read_only}
            found.append(source)
        assert found[0] == found[1]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_hostile_text_in_the_template_stays_text(launch: Any, text: str) -> None:
    volume = VOLUMES["nfs"]
    plan = a_stock_plan(volume, image=text, env={"A": text}, namespace=text)
    pod = stock_pod(launch, plan, volume)
    (container,) = pod["spec"]["containers"]
    values = {one["name"]: one["value"] for one in container["env"]}
    assert (container["image"], pod["metadata"]["namespace"]) == (text, text)
    assert values["A"].replace("$$", "$") == text
    assert set(pod) == {"apiVersion", "kind", "metadata", "spec"}
    assert not {"hostNetwork", "hostPID"} & set(pod["spec"])


def test_every_value_of_the_template_goes_through_the_filter() -> None:
    text = (shipped.launchers() / "kernel-pod.yaml.j2").read_text(encoding="utf-8")
    values = [part.partition("}}")[0].strip() for part in text.split("{{")[1:]]
    assert values
    assert all(value.endswith("| yaml") for value in values)
    assert "{%" not in text
    assert isinstance(yaml.safe_load(text[text.index("apiVersion") :].replace("{{", '"').replace("}}", '"')), dict)
