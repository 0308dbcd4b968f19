"""Previews of any old configuration: nothing in it ends the import."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kernelpod.findings.finding import START
from kernelpod.findings.yamlfile import Spot, YamlTree
from kernelpod.importers.helm.files import HelmValues
from kernelpod.importers.preview.plain import python_preview, tljh_preview
from kernelpod.importers.preview.rows import Row
from kernelpod.importers.preview.values import values_preview
from kernelpod.importers.report import Imported, ImportingError

_KEYS = (
    *("singleuser", "storage", "type", "static", "pvcName", "subPath", "homeMountPath", "extraVolumes", "memory"),
    *(
        "extraVolumeMounts",
        "name",
        "mountPath",
        "nfs",
        "server",
        "path",
        "readOnly",
        "hub",
        "config",
        "bind",
        "mode",
    ),
    *("JupyterHub", "spawner_class", "Spawner", "KubeSpawner", "DockerSpawner", "SystemUserSpawner", "volumes"),
    *("volume_mounts", "read_only_volumes", "escape", "mem_limit", "default_url", "host_homedir_format_string"),
    *(
        "mode",
        "users",
        "admin",
        "extra_user_groups",
        "limits",
        "user_environment",
        "default_app",
        "/srv/{username}",
    ),
)
_ONE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.sampled_from(
        ["a", "/a/{username}", "{", "{0}", "{username.x}", "ro", "legacy", "static", "docker", "kubespawner"]
    ),
)
_ANY = st.recursive(
    _ONE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(_KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)
_SECTIONS = st.dictionaries(
    st.sampled_from(_KEYS[18:23]), st.dictionaries(st.sampled_from(_KEYS), _ANY), max_size=3
)
_CONFIG = _SECTIONS.map(lambda sections: {"hub": {"config": sections}})


def rows(old: Any, user: str) -> list[Row]:
    """Return the rows of each preview that takes such a configuration."""
    made = Imported(YamlTree(old, {(): Spot(Path("old"), START)}))
    found = [*values_preview(HelmValues(made.tree), made, "", user), *tljh_preview(made, user)]
    with contextlib.suppress(ImportingError):
        found += python_preview(made, "3", user)
    return found


@given(
    st.one_of(_CONFIG, st.dictionaries(st.sampled_from(_KEYS), _ANY, max_size=4)), st.text(min_size=1, max_size=40)
)
def test_any_configuration_has_a_preview(old: dict[str, Any], user: str) -> None:
    assert all(isinstance(cell, str) for row in rows(old, user) for cell in row)
