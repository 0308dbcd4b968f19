"""Imports of any values: each value has exactly one fate, and what is kept is there as it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kernelpod.base.chartkeys import KEYS
from kernelpod.base.merging import merged
from kernelpod.findings.secrets import secrets_in
from kernelpod.findings.yamlfile import dotted, leaves_of
from kernelpod.importers.helm.files import helm_values
from kernelpod.importers.hub.chartkeys import RENAMED
from kernelpod.importers.hub.values import Options, imported_values
from kernelpod.importers.report import UNKNOWN
from kernelpod.settings.sections import Settings
from kernelpod.z2jh.overrides import breaking

_KEYS = sorted(
    ({part for path in RENAMED for part in path.split(".")} | set().union(*KEYS.values())) - {*KEYS, "auth"}
)
_STORAGE = (
    "type",
    "static",
    "dynamic",
    "capacity",
    "homeMountPath",
    "extraVolumes",
    "extraVolumeMounts",
    "pvcName",
)
_WORDS = st.sampled_from(
    [
        "made-up-secret",
        "token=made-up-secret",
        "",
        "a",
        "static",
        "dynamic",
        "none",
        "{username}",
        "/home/jovyan",
        "null",
        "x: y",
        "1",
    ]
)
_SCALARS = st.one_of(st.none(), st.booleans(), st.integers(0, 9), st.floats(0, 1), _WORDS)
_VOLUME_KEYS = (
    "name",
    "nfs",
    "server",
    "path",
    "readOnly",
    "mountPath",
    "subPath",
    "subPathExpr",
    "value",
    "secret",
)
_NAMES = st.sampled_from(
    [*_KEYS, *_STORAGE, *_VOLUME_KEYS, "Authenticator", "KERNEL_PATH", "allowed_users", "egress", "api_token"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)),
    max_leaves=12,
)
_FILES = st.dictionaries(
    st.sampled_from(["hub", "singleuser", "proxy", "auth", "cull", "rbac", "imagePullSecret", "custom", "https"]),
    st.one_of(_VALUES, st.dictionaries(_NAMES, _VALUES, max_size=5)),
    min_size=1,
    max_size=4,
)


@given(_FILES, _FILES)
def test_each_value_of_any_files_has_one_fate(
    tmp_path_factory: pytest.TempPathFactory, first: dict[str, Any], second: dict[str, Any]
) -> None:
    files = [tmp_path_factory.mktemp("generated") / name for name in ("first.yaml", "second.yaml")]
    for file, data in zip(files, (first, second), strict=True):
        file.write_text(yaml.safe_dump(data), encoding="utf-8")
    options = Options(broken=breaking)
    made = imported_values(helm_values(files), options)
    read = made.fates()
    assert len(read) == sum(1 for one in (first, second) for _ in leaves_of(one))
    assert [note.key for note in read if note.why == UNKNOWN] == []
    settings = yaml.safe_load(made.files.get("settings.yaml", b"{}"))
    Settings.model_validate(settings)
    public = yaml.safe_load(made.files["values.yaml"])
    values = merged(public, yaml.safe_load(made.files.get("secrets.yaml", b"{}")))
    old = {dotted(keys): value for keys, value in leaves_of(made.tree.data)}
    there = {dotted(keys): value for keys, value in leaves_of(values)}
    for note in read:
        if note.change == "kept":
            assert there[note.key] == old[note.key]
    # The two files together are the values that one file would have held, and the first holds no secret.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kernelpod.importers.hub.values.take_secrets", lambda _: {})
        whole = imported_values(helm_values(files), options)
    assert values == yaml.safe_load(whole.files["values.yaml"])
    assert list(secrets_in(public)) == []
    # What the new hub needs holds. Who may log in is never dropped for it.
    assert [one[0] for one in breaking(values, settings) if not str(one[0][-1]).endswith("_users")] == []
