"""What a pod costs, read on its node: its processes in /proc, its processor time from its cgroup. Root only."""

from __future__ import annotations

from pathlib import Path

from bench.processes import BenchError, resident_megabytes

CGROUPS = Path("/sys/fs/cgroup")


def pids(uid: str) -> list[int]:
    """The processes of a pod, its pause process and those that only wait to be reaped left out."""
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
    """Resident memory of a pod's processes together, in MB of 10^6 bytes."""
    return sum(map(resident_megabytes, pids(uid)))


def peak_megabytes(uid: str) -> float:
    """The most memory that a pod ever used at once, page cache included, in MB of 10^6 bytes."""
    _, text = counter(uid, {"memory": "memory.max_usage_in_bytes", "": "memory.peak"})
    return int(text) / 1e6


def cpu_seconds(uid: str) -> float:
    """Processor time that a pod has used since it was made, of processes that ended as well."""
    controllers, text = counter(uid, {"cpuacct": "cpuacct.usage", "cpu,cpuacct": "cpuacct.usage", "": "cpu.stat"})
    return int(text) / 1e9 if controllers else int(text.split()[1]) / 1e6


def counter(uid: str, files: dict[str, str]) -> tuple[str, str]:
    """The first file that a pod's cgroup has, and its text; `files` by hierarchy, "" being cgroup v2."""
    for pid in pids(uid):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in files and uid in path.replace("_", "-"):
                file = _of_pod(CGROUPS / controllers / path.lstrip("/"), uid) / files[controllers]
                if file.exists():
                    return controllers, file.read_text()
    raise BenchError(f"no process of pod {uid} has a cgroup with {', '.join(files.values())}")


def _of_pod(folder: Path, uid: str) -> Path:
    """The cgroup of the whole pod above (or at) one of its containers'."""
    return next((place for place in (folder, *folder.parents) if uid in place.name.replace("_", "-")), folder)
