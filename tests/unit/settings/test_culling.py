"""One number in, all others out: what is idle ends kernel first, server later, whatever the number is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from kernelpod.errors import SettingsError
from kernelpod.hub import servers
from kernelpod.settings.culling import JITTER, Culling, Schedule, schedule
from kernelpod.settings.hubs import Hub
from kernelpod.settings.loading import load
from kernelpod.settings.sections import Settings

NUMBERS = [0.5, 1, 2, 7.5, 10, 60, 180, 600, 1800, 3600, 86400, 10**8]
TABLE = {
    # number: kernel looks, asks, reports, server looks, server may be idle, first look; with 12 s to end a kernel
    2: Schedule(0.2, 1, 1, 1, 17, 18),
    60: Schedule(6, 6, 6, 6, 91, 28),
    1800: Schedule(10, 60, 180, 180, 2080, 273),
    3600: Schedule(10, 60, 300, 360, 4012, 405),
    86400: Schedule(10, 60, 300, 600, 86812, 405),
}


@pytest.mark.parametrize(("idle_seconds", "made"), TABLE.items())
def test_all_numbers_follow_from_one(idle_seconds: float, made: Schedule) -> None:
    assert schedule(idle_seconds, 12) == made


@pytest.mark.parametrize("end_seconds", [0, 12, 600])
@pytest.mark.parametrize("idle_seconds", NUMBERS)
def test_a_server_ends_later_than_any_kernel_of_it_could(idle_seconds: float, end_seconds: float) -> None:
    """Played through: the kernel says its last word as soon as it can after the server asked and reported."""
    made = schedule(idle_seconds, end_seconds)
    kernel_has_ended = idle_seconds + made.kernel_look_seconds + end_seconds
    known_too_late = made.ask_seconds + JITTER * made.report_seconds
    assert made.server_idle_seconds - known_too_late >= kernel_has_ended
    # When the culler looks first, each server has reported, be it that the hub was away for long.
    assert made.first_look_seconds > known_too_late


@pytest.mark.parametrize("idle_seconds", NUMBERS)
def test_nobody_looks_without_a_break(idle_seconds: float) -> None:
    made = schedule(idle_seconds, 12)
    assert made.kernel_look_seconds >= 0.05
    assert min(made.ask_seconds, made.report_seconds, made.server_look_seconds) >= 1
    assert timedelta(seconds=made.server_idle_seconds) < timedelta.max


def test_where_nothing_is_culled_kernelspecs_are_followed_all_the_same() -> None:
    made = schedule(0, 12)
    assert (made.kernel_look_seconds, made.server_idle_seconds) == (10, 0)


OWN: list[tuple[float, float | None, float, bool]] = [
    # the number, the kernelspec's own, what counts, whether it contradicts
    (0, None, 0, False),
    (0, 0, 0, False),
    (0, 7200, 7200, False),
    (3600, None, 3600, False),
    (3600, 60, 60, False),
    (3600, 3600, 3600, False),
    (3600, 3600.5, 3600, True),
    (3600, 0, 3600, True),
]


@pytest.mark.parametrize(("idle_seconds", "own", "counts", "contradicts"), OWN)
def test_a_kernelspecs_own_number(
    idle_seconds: float, own: float | None, counts: float, contradicts: bool
) -> None:
    culling = Culling(idle_seconds=idle_seconds)
    assert culling.kernel_idle_seconds(own) == counts
    assert bool(culling.contradiction(own)) == contradicts


def test_servers_that_cannot_tell_what_kernels_do_are_not_culled_by_accident(tmp_path: Any) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("culling: {idle_seconds: 1800}\nservers: {extension: false}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot report that their kernels are busy"):
        load(file)


@pytest.mark.parametrize("wrong", ["-1", ".inf", ".nan", "soon", "1e9"])
def test_what_is_no_number_of_seconds_is_refused(tmp_path: Any, wrong: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"culling: {{idle_seconds: {wrong}}}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"culling\.idle_seconds"):
        load(file)


def settings(**culling: Any) -> Settings:
    return Settings.model_validate({"culling": culling, "start": {"grace_period_seconds": 10}})


def test_servers_are_told_their_part() -> None:
    made = servers.environment(settings(idle_seconds=1800, busy="cull"), Hub())
    assert made["JUPYTERHUB_ACTIVITY_INTERVAL"] == "180"
    assert (made["KERNELPOD_ACTIVITY_SECONDS"], made["KERNELPOD_ACTIVITY_BUSY"]) == ("60", "cull")
    assert not any("ACTIVITY" in name for name in servers.environment(settings(), Hub()))


def test_servers_are_told_what_to_do_with_kernels_of_an_earlier_one() -> None:
    ending = Settings.model_validate({"servers": {"found_kernels": "end"}})
    assert servers.environment(ending, Hub())["KERNELPOD_FOUND_KERNELS"] == "end"
    assert "KERNELPOD_FOUND_KERNELS" not in servers.environment(settings(), Hub())


def test_the_culler_is_told_its_part() -> None:
    _, *words = servers.culler_command(settings(idle_seconds=1800))
    assert words == ["-m", "kernelpod.hub.culler", "273", "--timeout=2080", "--cull-every=180", "--concurrency=10"]
