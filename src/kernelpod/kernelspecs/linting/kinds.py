"""The findings that lint knows: code, level, what it means, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kernelpod.findings.finding import START, Finding, Level, Place


class Kind(NamedTuple):
    """One kind of finding."""

    level: Level
    meaning: str
    remedy: str


KINDS = {
    "unreadable": Kind("error", "A file cannot be read.", "Give it mode 0644, and its folder 0755."),
    "bad-json": Kind("error", "kernel.json is not JSON.", "Mend it at the place that is named."),
    "encoding": Kind("error", "kernel.json is not UTF-8.", "Save it as UTF-8."),
    "bom": Kind("error", "The file begins with a byte order mark.", "Save it as UTF-8 without a BOM."),
    "line-endings": Kind("warning", "Lines end as on Windows.", "Save it with Unix line ends."),
    "duplicate-key": Kind("error", "An object has a key twice.", "Keep one; readers take the last."),
    "name": Kind(
        "error",
        "The folder's name cannot be a kernelspec's.",
        "Use lower-case letters, digits and '-', and neither python nor python3.",
    ),
    "same-name": Kind(
        "error", "Two kernelspecs have one display name.", "Give each its own; users see nothing else."
    ),
    "missing-key": Kind("error", "A key is missing.", "Add it; docs/kernelspecs.md has an example."),
    "unknown-key": Kind("error", "There is no such key.", "Mend its spelling, or leave it out."),
    "connection-file": Kind(
        "error", "The kernel is not told its connection.", "Put {connection_file} where its command line wants it."
    ),
    "over-bounds": Kind(
        "error", "Resources do not fit together.", "Raise the bounds, or lower what is asked for."
    ),
    "service-account": Kind(
        "error",
        "A service account that kernelspecs may not name.",
        "Leave it out, or add it to `kernelspecs.service_accounts` of the settings.",
    ),
    "over-house-bounds": Kind(
        "error", "More than `kernelspecs.bounds` of the settings allows.", "Lower it, or raise that bound."
    ),
    "culled-late": Kind(
        "error",
        "Its idle kernels would outlive their servers.",
        "Lower `cull_idle_seconds`, or leave it out, or raise `culling.idle_seconds`.",
    ),
    "value": Kind("error", "A value cannot be used.", "Write what the message asks for."),
    "machine-path": Kind(
        "error", "A path of somebody's machine.", "Name the command alone, or a path that is in the image."
    ),
    "substitution": Kind(
        "error",
        "{resource_dir} and the like mean nothing in a pod.",
        "Use {connection_file} only; put files into the image.",
    ),
    "secret": Kind(
        "error", "This looks like a secret; everybody can read kernelspecs.", "Take it out, and make it invalid."
    ),
    "kernel-variable": Kind(
        "error",
        "KERNEL_* and JUPYTER_* are the gateway's.",
        "Leave it out; homes and volumes follow from the user.",
    ),
    "host-path": Kind("error", "A folder of the node is mounted.", "Use a mount of the settings."),
    "privileged": Kind("error", "The kernel asks for privileges.", "Leave it out; no kernel gets any."),
    "image-tag": Kind("error", "The image has no fixed version.", "Name a tag other than latest, or a digest."),
    "image-not-allowed": Kind(
        "error", "The image is not among kernelspecs.allowed_images.", "Use one that is, or have it allowed."
    ),
    "language": Kind("warning", "Lab knows no such language.", "Use the name that the kernel itself gives."),
    "logo-missing": Kind("warning", "There is no logo.", "Add logo-svg.svg or logo-64x64.png."),
    "logo-size": Kind("warning", "A logo has the wrong size.", "Make it as wide and high as its name says."),
    "large-file": Kind("error", "A file is larger than 1 MiB.", "Make it smaller; every listing reads it."),
    "file-name": Kind("error", "A file name that cannot be published.", "Use no control characters in it."),
    "file-mode": Kind("error", "The gateway's user may not read it.", "Give files mode 0644 and folders 0755."),
    "writable": Kind("warning", "Everybody may write it.", "Give files mode 0644 and folders 0755."),
    "symlink": Kind("error", "A symbolic link.", "Put the file itself there; a release holds no links."),
    "special-file": Kind("error", "Neither a file nor a folder.", "Take it out."),
    "process-proxy": Kind(
        "warning",
        "metadata.process_proxy is for a stock gateway.",
        "Leave it out; where kernels run is a setting.",
    ),
    "interrupt-mode": Kind(
        "warning",
        "Interrupting by signal needs pods/exec, which is off by default.",
        'Write "interrupt_mode": "message" if the kernel understands it.',
    ),
    "launcher-missing": Kind(
        "error",
        "A kernelspec for a stock gateway lacks a file of its launcher.",
        "Build it again: kernelpod specs build --stock.",
    ),
    "interrupt-lost": Kind(
        "error",
        "This kernel knows no interrupt messages; interrupts would be lost.",
        'Write "interrupt_mode": "signal"; runtime.kubernetes.exec_signals then allows them.',
    ),
    "launcher-drift": Kind(
        "warning", "A launcher differs from the one that is shipped.", "Take the shipped one: launchers/."
    ),
}


def finding(code: str, file: str, place: Place = START, said: str = "") -> Finding:
    """Return a finding of a known kind; `said` adds to its meaning.

    `file` is relative to the folder of kernelspecs. Raises KeyError for a code that is not in KINDS.
    """
    kind = KINDS[code]
    return Finding(Path(file), place, f"{kind.meaning} {said}".rstrip(), kind.level, code, kind.remedy)
