"""What the filter of system calls answers, computed as Linux does, for both machines."""

from __future__ import annotations

import struct

import pytest

from kernelpod.runtime.local.seccomp import ALLOW, CLONE3, CLONE_NEW, MACHINES, Machine, program

DENIED, UNKNOWN = 0x00050001, 0x00050026
I386 = 0x40000003


def answer(machine: Machine, number: int, first: int = 0, arch: int | None = None) -> int:
    """Return what the filter answers to a call, by the rules of BPF."""
    data = struct.pack("<IIQ6Q", number, machine.audit_arch if arch is None else arch, 0, first, *[0] * 5)
    code = program(machine)
    place = word = 0
    while True:
        step, if_true, if_false, value = struct.unpack_from("<HBBI", code, place * 8)
        place += 1
        if step == 0x06:
            return int(value)
        if step == 0x20:
            (word,) = struct.unpack_from("<I", data, value)
        else:
            true = {0x15: word == value, 0x35: word >= value, 0x45: bool(word & value)}[step]
            place += if_true if true else if_false


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> Machine:
    return MACHINES[request.param]


def test_every_denied_call_fails_and_its_neighbours_do_not(machine: Machine) -> None:
    assert {answer(machine, number) for number in machine.denied.values()} == {DENIED}
    others = set(range(520)) - {*machine.denied.values(), CLONE3}
    assert {answer(machine, number) for number in others} == {ALLOW}


def test_both_machines_deny_the_same_calls() -> None:
    only_x86 = set(MACHINES["x86_64"].denied) - set(MACHINES["aarch64"].denied)
    assert only_x86 == {"ioperm", "iopl", "uselib"}
    assert set(MACHINES["aarch64"].denied) < set(MACHINES["x86_64"].denied)


@pytest.mark.parametrize("flag", [1 << bit for bit in range(32) if CLONE_NEW >> bit & 1])
def test_a_process_in_new_namespaces_is_denied(machine: Machine, flag: int) -> None:
    thread = 0x003D0F00
    assert answer(machine, machine.clone, thread) == ALLOW
    assert answer(machine, machine.clone, 17) == ALLOW
    assert answer(machine, machine.clone, flag | 17) == DENIED
    assert answer(machine, machine.clone, flag | 1 << 40) == DENIED
    assert answer(machine, CLONE3, flag) == UNKNOWN


@pytest.mark.parametrize(("family", "said"), [(1, ALLOW), (2, ALLOW), (10, ALLOW), (16, ALLOW), (40, DENIED)])
def test_sockets_of_virtual_machines_are_denied(machine: Machine, family: int, said: int) -> None:
    assert answer(machine, machine.socket, family) == said


def test_calls_of_another_abi_are_denied(machine: Machine) -> None:
    assert answer(machine, 0, arch=I386) == DENIED
    assert answer(machine, 0x40000000) == answer(machine, 0x40000000 + 39) == DENIED
