"""Imports of any values of Enterprise Gateway: each has exactly one fate, and our chart takes what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kernelpod.deploy.withouthelm.chart import rendered
from kernelpod.findings.secrets import secrets_in
from kernelpod.findings.yamlfile import leaves_of
from kernelpod.importers.gateway.values import GATEWAY_CHART, imported_gateway
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.report import UNKNOWN

_CHART = Path(__file__).parents[2] / "charts" / "kernelpod"
_SECTIONS = (
    *("deployment", "extraEnv", "global", "image", "imagePullSecretsCreate", "ingress", "kernelspecs"),
    *("kernelspecsPvc", "kip", "nfs", "port", "replicas", "service", "authToken", "other"),
)
_KEYS = (
    *("replicas", "resources", "limits", "cpu", "annotations", "tolerations", "affinity", "nodeSelector", "ports"),
    *("port", "type", "name", "value", "data", "secrets", "enabled", "internalServerIPAddress", "extraEnv"),
    *("commonLabels", "imagePullSecrets", "EG_MAX_KERNELS", "EG_AUTHORIZED_USERS", "EG_AUTH_TOKEN", "HTTPS_PROXY"),
)
_KERNEL = ("launchTimeout", "cullIdleTimeout", "allowedKernels", "defaultKernelName", "shareGatewayNamespace")
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 70_000),
    st.floats(0, 9),
    st.sampled_from(
        ["", "a", "1", "-1", "1800", "2Gi", "alice,bob", "python3", "EG_MAX_KERNELS", "http://a:b9@c"]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(_SECTIONS), _VALUES, max_size=5),
    st.dictionaries(st.sampled_from(_KERNEL), _VALUES, min_size=1, max_size=4),
)
def test_each_value_of_any_gateway_has_one_fate(
    tmp_path_factory: pytest.TempPathFactory, sections: dict[str, Any], kernel: dict[str, Any]
) -> None:
    data = {**sections, "kernel": {"clusterRole": "a", **kernel}}
    file = tmp_path_factory.mktemp("generated") / "values.yaml"
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    made = imported_gateway(helm_values([file], chart=GATEWAY_CHART))
    read = made.fates()
    assert len(read) == sum(1 for _ in leaves_of(data))
    assert [note.key for note in read if note.why == UNKNOWN] == []
    public = yaml.safe_load(made.files["gateway.yaml"]) or {}
    assert list(secrets_in(public)) == []
    rendered(_CHART, {**public, **yaml.safe_load(made.files.get("secrets.yaml", b"{}"))}, "kernelpod", "gateway")
