"""Measures a pod's memory and CPU time on its node, from /proc and its cgroup. It needs root."""

from __future__ import annotations

from pathlib import Path

from bench.processes import BenchError, resident_megabytes

CGROUPS = Path("/sys/fs/cgroup")


def pids(uid: str) -> list[int]:
    """Return the pids of a pod, without its pause process and zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                inside = uid in (entry / "cgroup").read_text().replace("_", "-")
                if inside and (entry / "exe").exists() and (entry / "comm").read_text().strip() != "pause":
                    found.append(int(entry.name))
            except OSError:
                continue  # ended while it was looked at
    return found


def memory_megabytes(uid: str) -> float:
    """Return the resident memory of all processes of a pod, in MB of 10^6 bytes."""
    return sum(map(resident_megabytes, pids(uid)))


def peak_megabytes(uid: str) -> float:
    """Return a pod's peak memory, including page cache, in MB of 10^6 bytes."""
    _, text = counter(uid, {"memory": "memory.max_usage_in_bytes", "": "memory.peak"})
    return int(text) / 1e6


def cpu_seconds(uid: str) -> float:
    """Return the CPU seconds of a pod since its creation, including processes that have ended."""
    controllers, text = counter(uid, {"cpuacct": "cpuacct.usage", "cpu,cpuacct": "cpuacct.usage", "": "cpu.stat"})
    return int(text) / 1e9 if controllers else int(text.split()[1]) / 1e6


def counter(uid: str, files: dict[str, str]) -> tuple[str, str]:
    """Return the first of `files` in a pod's cgroup, and its text. The keys are hierarchies; "" is cgroup v2."""
    for pid in pids(uid):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in files and uid in path.replace("_", "-"):
                file = _of_pod(CGROUPS / controllers / path.lstrip("/"), uid) / files[controllers]
                if file.exists():
                    return controllers, file.read_text()
    raise BenchError(f"no process of pod {uid} has a cgroup with {', '.join(files.values())}")


def _of_pod(folder: Path, uid: str) -> Path:
    """Return the pod's cgroup, from the cgroup of one of its containers."""
    return next((place for place in (folder, *folder.parents) if uid in place.name.replace("_", "-")), folder)
