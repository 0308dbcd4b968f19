"""The system calls that sandboxed processes may not make, as a BPF program for bubblewrap's `--seccomp`.

Denied is what leads out of the sandbox's namespaces or is not bounded by them (keyrings, sockets of virtual
machines), and what only administrators need. Debuggers work, since ptrace ends at the sandbox.
Sources: seccomp(2), linux/filter.h, linux/seccomp.h, and the system call tables of Linux 6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

CLONE_NEW = 0x7E020000  # every CLONE_NEW... flag of clone(2)
AF_VSOCK = 40
X32 = 0x40000000  # system calls of x86_64's x32 ABI begin here
EPERM, ENOSYS = 1, 38

ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# Instructions: load a word of seccomp_data, jump if equal, if at least, if any bit is set; return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
# Offsets in seccomp_data; both machines are little-endian, so the lower half of an argument comes first.
_NUMBER, _ARCH, _FIRST_ARGUMENT = 0, 4, 16


@dataclass(frozen=True)
class Machine:
    """A machine's name for audit(7), and the numbers of the system calls that need more than a look at them."""

    audit_arch: int
    clone: int
    socket: int
    denied: dict[str, int]


CLONE3 = 435
# Numbers of denied calls on x86_64 and on aarch64, which does not have all.
_DENIED: dict[str, tuple[int, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
    # New system calls have had the same number on every machine since Linux 5.1.
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
    "quotactl_fd": (443, 443),
    "open_tree_attr": (467, 467),
}
MACHINES = {
    "x86_64": Machine(0xC000003E, clone=56, socket=41, denied={name: x86 for name, (x86, _) in _DENIED.items()}),
    "aarch64": Machine(
        0xC00000B7,
        clone=220,
        socket=198,
        denied={name: arm for name, (_, arm) in _DENIED.items() if arm is not None},
    ),
}


def program(machine: Machine) -> bytes:
    """Return the filter for a machine: a denied call fails with EPERM, and so does each of another ABI."""
    steps = [
        *_load(_ARCH),
        *_unless(_EQUAL, machine.audit_arch, EPERM),
        *_load(_NUMBER),
        *_if(_AT_LEAST, X32, EPERM),
        # Its flags are in memory, where a filter cannot look. The C library then uses clone().
        *_if(_EQUAL, CLONE3, ENOSYS),
        *_if_first_argument(machine.clone, _ANY_BIT, CLONE_NEW),
        *_if_first_argument(machine.socket, _EQUAL, AF_VSOCK),
    ]
    for number in sorted(machine.denied.values()):
        steps += _if(_EQUAL, number, EPERM)
    return b"".join([*steps, _step(_RETURN, ALLOW)])


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return a `struct sock_filter`; jumps are counts of steps that are left out."""
    return struct.pack("<HBBI", code, if_true, if_false, value)


def _load(offset: int) -> list[bytes]:
    return [_step(_LOAD, offset)]


def _if(test: int, value: int, errno: int) -> list[bytes]:
    return [_step(test, value, if_false=1), _step(_RETURN, _ERRNO | errno)]


def _unless(test: int, value: int, errno: int) -> list[bytes]:
    return [_step(test, value, if_true=1), _step(_RETURN, _ERRNO | errno)]


def _if_first_argument(number: int, test: int, value: int) -> list[bytes]:
    """Return the steps that deny one call if its first argument is as tested, and allow it otherwise."""
    inner = [*_load(_FIRST_ARGUMENT), *_if(test, value, EPERM), _step(_RETURN, ALLOW)]
    return [_step(_EQUAL, number, if_false=len(inner)), *inner]
