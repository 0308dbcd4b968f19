"""Settings of a hub, and the values that are made of them."""

from __future__ import annotations

from typing import Any

from kernelpod.settings.sections import Settings
from kernelpod.z2jh.values import z2jh_values
from kernelpod.z2jh.versions import NEWEST

NFS = {"kind": "nfs", "server": "10.0.0.5"}
SECTIONS: dict[str, Any] = {
    "servers": {"gateway_url": "http://kernelpod.gateway:8888"},
    "homes": {"root": "/homes"},
    "runtime": {"kubernetes": {"home_check_image": "gateway:1"}},
}
WITH_COURSES: dict[str, Any] = {**SECTIONS, "hubs": [{"courses": "/etc/courses/teaching.yaml"}]}
with_token: dict[str, Any] = {**SECTIONS, "hubs": [{"courses": "/etc/courses/t.yaml", "token": "very-secret"}]}


def values(sections: dict[str, Any] = SECTIONS, version: str = NEWEST, **changes: Any) -> dict[str, Any]:
    settings = Settings.model_validate({**sections, **changes})
    return z2jh_values(settings, "gateway", "lab:2", ["kernel:1"], chart_version=version)
