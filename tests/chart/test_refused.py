"""Values with a mistake are refused before anything is applied, with the key or with what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helm import CHART, VALUES, Helm

pytestmark = pytest.mark.chart

RULE = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}

# Values with one mistake, and the place that the schema names.
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"imaeg": {}}, "'imaeg'"),
    ({"image": {"repo": "x"}}, "'repo'"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"tag": "a b"}}, "/image/tag"),
    ({"replicaCount": 6}, "/replicaCount"),
    ({"resources": {"request": {}}}, "'request'"),
    ({"resources": {"limits": {"memory": "2 GB"}}}, "/resources/limits/memory"),
    ({"service": {"type": "ExternalName"}}, "/service/type"),
    ({"service": {"port": 0}}, "/service/port"),
    ({"hub": {"namspace": "x"}}, "'namspace'"),
    ({"hub": {"namespace": "Hub"}}, "/hub/namespace"),
    ({"hub": {"serverLabels": {"component": None}}}, "/hub/serverLabels"),
    ({"hub": None}, "'hub'"),
    ({"kernels": {"namespace": {"name": "kernels-of-a-very-long-name-indeed"}}}, "/kernels/namespace/name"),
    ({"kernels": {"quota": {}}}, "'quota'"),
    ({"homes": {"persistentVolume": {"path": "export"}}}, "/homes/persistentVolume/path"),
    ({"kernelspecs": {"source": "git"}}, "/kernelspecs/source"),
    ({"kernelspecs": {"volume": {"subPath": "x"}}}, "'subPath'"),
    ({"networkPolicy": {"enabled": "yes"}}, "/networkPolicy/enabled"),
    ({"networkPolicy": {"deny": ["10.0.0.5"]}}, "/networkPolicy/deny/0"),
    ({"networkPolicy": {"deny": ["10.0.0.256/32"]}}, "/networkPolicy/deny/0"),
    ({"networkPolicy": {"deny": ["2001:db8::1::/64"]}}, "/networkPolicy/deny/0"),
    ({"networkPolicy": {"dns": {"addresses": ["169.254.20.10/16"]}}}, "/networkPolicy/dns/addresses/0"),
    ({"networkPolicy": {"dns": {"podLabels": {"k8s-app": None}}}}, "/networkPolicy/dns/podLabels"),
    ({"networkPolicy": {"metricsFrom": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}}, "/networkPolicy/metricsFrom/0"),
    ({"networkPolicy": {"profiles": {"x": {"intern": True}}}}, "'intern'"),
    ({"networkPolicy": {"profiles": {"X": {}}}}, "'X'"),
    ({"networkPolicy": {"profiles": {"x": {"egress": [{}]}}}}, "/networkPolicy/profiles/x/egress/0"),
    ({"networkPolicy": {"profiles": {"x": {"egress": [{"to": []}]}}}}, "/networkPolicy/profiles/x/egress/0/to"),
    ({"networkPolicy": {"profiles": {"x": {"egress": [{"to": [{}]}]}}}}, "/profiles/x/egress/0/to/0"),
    ({"admission": {"enable": False}}, "'enable'"),
    ({"settings": {"home": {}}}, "'home'"),
    ({"settings": {"homes": {"volume": {"type": "pvc"}}}}, "'type'"),
    ({"settings": {"homes": {"volume": None}}}, "'volume'"),
    ({"settings": {"gateway": {"port": "8888"}}}, "/settings/gateway/port"),
    ({"settings": {"runtime": {"kubernetes": {"startsAtOnce": 4}}}}, "'startsAtOnce'"),
    ({"settings": {"hubs": [{"url": "http://hub"}]}}, "'url'"),
    ({"settings": {"mounts": [{"name": "data", "root": "/data"}]}}, "'mount_path'"),
]


@pytest.mark.parametrize(("values", "place"), MISTAKES, ids=str)
def test_a_mistake_is_refused_by_its_key(values: dict[str, Any], place: str, helm: Helm) -> None:
    said = helm.refusal(values)
    assert "don't meet the specifications of the schema" in said
    assert place in said, said


def settings(**sections: Any) -> dict[str, Any]:
    return {"settings": sections}


def kubernetes(**keys: Any) -> dict[str, Any]:
    return settings(runtime={"kubernetes": keys})


def rules(*cidrs: str, **more: Any) -> dict[str, Any]:
    egress = [{"to": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs]}]
    return {"networkPolicy": {"profiles": {"site": {"egress": egress}}, **more}}


INLINE = {"kind": "nfs", "server": "10.0.0.5"}
MOUNT = {"name": "data", "root": "/data", "mount_path": "/data"}

# Values that do not fit together, and what is said of them.
API = {"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.10/32"]}}}
CHECKS: list[tuple[dict[str, Any], str]] = [
    (settings(hubs=[{"token": "x"}]), "settings.hubs.token: a token must not be in a ConfigMap"),
    (settings(hubs=[{}, {"name": "exam"}]), "settings.hubs: list all hubs but the first one in extraHubs"),
    ({"extraHubs": [{"name": "hub", "namespace": "exam"}]}, "extraHubs: hub needs a name and a namespace"),
    ({"extraHubs": [{"name": "exam", "namespace": "hub"}]}, "extraHubs: exam needs a name and a namespace"),
    ({"extraHubs": [{"name": "exam", "namespace": "kernels"}]}, "not the hub's (kernels)"),
    (
        {"extraHubs": [{"name": "exam", "namespace": "exam", "settings": {"token": "x"}}]},
        "settings.token of exam: a token must not be in a ConfigMap",
    ),
    (settings(gateway={"ip": "127.0.0.1"}), 'settings.gateway.ip is "127.0.0.1", but the chart sets it'),
    (settings(gateway={"port": 80}), "the port that clients see is service.port"),
    (settings(runtime={"kind": "local"}), "settings.runtime.kind"),
    (kubernetes(namespace="other"), "remove it from settings; set kernels.namespace.name"),
    (kubernetes(release="other"), "settings.runtime.kubernetes.release"),
    (kubernetes(home_check_image="busybox"), "remove it from settings; set image.repository and image.tag"),
    (
        {**kubernetes(scheduling={"schedulerName": "t"}), "kernels": {"schedulerName": "s"}},
        "remove it from settings; set kernels.nodeSelector and the like",
    ),
    (
        {**settings(kernelspecs={"path": "/x"}), "kernelspecs": VALUES["kernelspecs-volume"]["kernelspecs"]},
        "remove it from settings; set kernelspecs.volume.mountPath",
    ),
    (
        {**settings(hubs=[{"token_file": "/x"}]), "hub": {"existingSecret": "s"}},
        "remove it from settings; set hub.existingSecret and hub.secretKey",
    ),
    ({"kernels": {"namespace": {"name": "gateway"}}}, "not the release's (gateway)"),
    ({"kernels": {"namespace": {"name": "hub"}}}, "not the hub's (hub)"),
    ({"kernels": {"namespace": {"create": False, "labels": {"a": "b"}}}}, "would be ignored: remove them"),
    (
        {"kernels": {"namespace": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}},
        "pod-security.kubernetes.io/enforce follows from the volumes of the settings (restricted); remove it",
    ),
    ({"prePuller": {"continuous": {"enabled": True}}}, "prePuller.images: list the images that nodes should pull"),
    ({"sparkExecutors": {"kernels": {}}}, "sparkExecutors.kernels: executors need a separate namespace"),
    ({"sparkExecutors": {"spark": {}}}, "set the API server's addresses there"),
    (
        {"sparkExecutors": {"spark": {}}, "networkPolicy": {"enabled": False}},
        "sparkExecutors.spark: executors are kept apart by NetworkPolicies; set networkPolicy.enabled: true",
    ),
    (
        {**kubernetes(executors=["other"]), "sparkExecutors": {"spark": {}}, **API},
        "remove it from settings; set sparkExecutors",
    ),
    ({"sparkExecutors": {"none": {}}, **API}, "networkPolicy.profiles has a profile of that name"),
    (settings(homes={"volume": {"kind": "nfs"}}), "settings.homes.volume.server: set the NFS server"),
    (settings(mounts=[{**MOUNT, "volume": {"kind": "nfs"}}]), "settings.mounts: data needs volume.server"),
    (settings(mounts=[{**MOUNT, "root": None}]), "settings.mounts: data needs root"),
    (
        {**settings(homes={"volume": INLINE}), "homes": {"persistentVolume": {"create": True, "server": "x"}}},
        "homes of kind nfs need no volume",
    ),
    (
        {
            **settings(homes={"volume": {"claim": "claim-{username}"}}),
            "homes": {"persistentVolume": {"create": True, "server": "x"}},
        },
        "the hub creates each user's own claim",
    ),
    ({"homes": {"persistentVolume": {"create": True}}}, "homes.persistentVolume.server: set the NFS server"),
    (
        {"homes": {"persistentVolume": {"create": True, "server": "x", "path": "/export"}}},
        "path is /export, but settings.homes.root is /home/nfs_share/claim",
    ),
    ({"kernelspecs": {"source": "volume"}}, "set either create: true, with server and path, or existingClaim"),
    (
        {"kernelspecs": {"source": "volume", "volume": {"create": True, "existingClaim": "x"}}},
        "set either create: true, with server and path, or existingClaim",
    ),
    ({"kernelspecs": {"source": "volume", "volume": {"create": True, "server": "x"}}}, "needs server and path"),
    ({"kernelspecs": {"volume": {"existingClaim": "x"}}}, "would be ignored: set kernelspecs.source: volume"),
    (rules("10.1.0.0/16", deny=["10.0.0.0/8"]), "profiles.site: 10.1.0.0/16 is within 10.0.0.0/8"),
    (rules("1.0.0.0/8", "10.0.0.0/8", deny=["10.0.0.0/8"]), "profiles.site: 10.0.0.0/8 is within 10.0.0.0/8"),
    (rules("169.254.169.254/32"), "169.254.169.254/32 is within 169.254.0.0/16"),
    (rules("64:ff9b::a00:0/104"), "64:ff9b::a00:0/104 is within 64:ff9b::/96"),
    (rules("2001:db8:0:1::/64", deny=["2001:DB8::/32"]), "2001:db8:0:1::/64 is within 2001:DB8::/32"),
    ({"networkPolicy": {"deny": ["::/0"]}}, "networkPolicy.deny: ::/0 contains every address: remove it"),
    ({**rules("10.0.0.5/32"), **settings(homes={"volume": INLINE})}, "10.0.0.5/32 is within 10.0.0.5/32"),
    (
        {**rules("10.0.0.5/32"), "homes": {"persistentVolume": {"create": True, "server": "10.0.0.5"}}},
        "10.0.0.5/32 is within 10.0.0.5/32",
    ),
]


@pytest.mark.parametrize(("values", "sentence"), CHECKS, ids=str)
def test_values_that_do_not_fit_are_refused_with_a_sentence(
    values: dict[str, Any], sentence: str, helm: Helm
) -> None:
    assert sentence in helm.refusal(values)


@pytest.mark.parametrize("release", ["kernels-of-a-very-long-name-indeed", "1st", "a.b"])
def test_the_release_s_name_must_do_as_a_label(release: str, helm: Helm) -> None:
    assert "choose one of at most 30 characters" in helm.refusal({}, release)


def test_every_check_is_tested(helm: Helm) -> None:
    source = (CHART / "templates" / "checks.yaml").read_text(encoding="utf-8")
    said = [helm.refusal(values) for values, _ in CHECKS] + [helm.refusal({}, "a.b")]
    texts = re.findall(r'fail (?:\(printf )?"((?:[^"\\]|\\.)*)"', source)
    assert len(texts) == source.count("fail ") > 10
    for text in texts:
        pattern = re.sub(r"%[sq]", ".*", re.escape(text))
        assert [one for one in said if re.search(pattern, one)], text


@pytest.mark.parametrize(
    "values",
    [
        settings(gateway={"ip": "0.0.0.0", "port": 8888}, runtime={"kind": "kubernetes"}),
        kubernetes(namespace="kernels", release="kernelpod"),
        rules("10.0.0.0/16", deny=["10.0.0.5/32", "10.1.0.0/16"]),
        rules("10.0.0.5/32", deny=["10.0.0.4/32", "2001:db8::/32"]),
        rules("2001:db8::/32", deny=["2001:db8:0:1::/64", "2001:db9::/32"]),
        {"global": {"site": "x"}},
    ],
    ids=str,
)
def test_what_agrees_with_the_chart_is_accepted(values: dict[str, Any], helm: Helm) -> None:
    assert helm.objects(values)
