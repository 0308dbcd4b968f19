"""Imports of any kernel.json: each value has exactly one fate, and what is kept is there as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fuzz.made import VALUES, objects
from kernelpod.findings.jsonfile import read_json
from kernelpod.findings.yamlfile import leaves_of
from kernelpod.importers.kernelspecs.taking import Given, import_kernelspec
from kernelpod.importers.report import FATES, UNKNOWN, ImportingError
from kernelpod.kernelspecs.stock import form as stockform

_NAMES = st.sampled_from(
    ["A", "PATH", "KERNEL_IMAGE", "KERNEL_CPUS", "KERNEL_MEMORY", "LAUNCH_OPTS", "EG_X_USERS"]
)
_TEXTS = st.sampled_from(["", "1", "2Gi", "$PATH", "a$$b", "image:1", "/opt/x"])
_ENV = st.dictionaries(_NAMES, _TEXTS | VALUES, max_size=5)
_CONFIG = st.dictionaries(
    st.sampled_from(["image_name", "authorized_users", "unauthorized_users", "port_range"]),
    st.sampled_from(["", "image:1", "carol", ["carol"]]) | VALUES,
)
_RUNNER = st.fixed_dictionaries({"class_name": st.just(stockform.PROXY), "config": _CONFIG | VALUES}) | VALUES
_STANZA = st.dictionaries(
    st.sampled_from(["image", "groups", "resources", "argv", "env"]),
    st.sampled_from(["", "image:1", ["staff"], ["python", "{connection_file}"]]) | _ENV | VALUES,
)
_METADATA = st.dictionaries(st.sampled_from(["process_proxy", "kernel_provisioner"]), _RUNNER) | VALUES
_WORDS = st.sampled_from(
    [
        "/opt/conda/envs/a/bin/python",
        "/usr/bin/R",
        "{resource_dir}/run.sh",
        stockform.LAUNCHER,
        "-f",
        "{connection_file}",
        "{kernel_id}",
    ]
)
_PARTS = {
    "argv": st.lists(_WORDS, max_size=4) | VALUES,
    "env": _ENV | VALUES,
    "metadata": st.builds(
        lambda outer, stanza: {**outer, "kernelpod": stanza} if isinstance(outer, dict) else outer,
        _METADATA,
        _STANZA | VALUES,
    ),
}
_OBJECTS = st.builds(
    lambda whole, parts: {**whole, **parts},
    objects({"display_name": "Python", "language": "python", "interrupt_mode": "signal", "kernel_id": ""}),
    st.fixed_dictionaries({}, optional=_PARTS),
)
_GIVEN = st.builds(
    lambda image, command, groups: Given("made", image, command, groups),
    st.sampled_from(["", "image:2", "image:2"]),
    st.sampled_from([(), ("python", "{connection_file}"), ("python", "{connection_file}")]),
    st.sampled_from([(), ("staff",)]),
)


@given(_OBJECTS, _GIVEN)
def test_each_value_of_any_kernel_json_has_one_fate(data: dict[str, Any], options: Given) -> None:
    source = read_json(json.dumps(data))
    try:
        made = import_kernelspec(Path("old/kernel.json"), source, options)
    except ImportingError as error:
        assert "--command" in str(error) or "--image" in str(error)
        return
    old, read = list(leaves_of(source.data)), made.fates()
    assert len(read) == len(old)
    counts = made.as_dict(())["values"]
    assert counts["read"] == sum(counts[fate] for fate in FATES) == len(old)
    assert [note.key for note in read if note.why == UNKNOWN] == []
    there = dict(leaves_of(made.kernel_json))
    for (keys, value), note in zip(old, read, strict=True):
        if note.change == "kept":
            assert there[keys] == value or value != value  # noqa: PLR0124 - not a number
