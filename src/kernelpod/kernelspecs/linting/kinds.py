"""All findings of lint: the code, level, meaning and remedy of each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kernelpod.findings.finding import START, Finding, Level, Place


class Kind(NamedTuple):
    """The level, meaning and remedy of one kind of finding."""

    level: Level
    meaning: str
    remedy: str


KINDS = {
    "unreadable": Kind("error", "A file cannot be read.", "Set mode 0644 for it, and 0755 for its folder."),
    "bad-json": Kind("error", "kernel.json is not valid JSON.", "Fix the syntax at the reported location."),
    "encoding": Kind("error", "kernel.json is not UTF-8.", "Save it as UTF-8."),
    "bom": Kind("error", "The file begins with a byte order mark.", "Save it as UTF-8 without a BOM."),
    "line-endings": Kind("warning", "The file has Windows line endings.", "Save it with Unix line endings."),
    "duplicate-key": Kind("error", "An object has the same key twice.", "Keep one; JSON readers use the last."),
    "name": Kind(
        "error",
        "The folder's name is not a valid kernelspec name.",
        "Use lower-case letters, digits and '-'. The names python and python3 are not allowed.",
    ),
    "same-name": Kind(
        "error",
        "Two kernelspecs have the same display name.",
        "Give each a different one; users see only the display name.",
    ),
    "missing-key": Kind("error", "A required key is missing.", "Add it; docs/kernelspecs.md has an example."),
    "unknown-key": Kind("error", "The key is unknown.", "Fix its spelling, or remove it."),
    "connection-file": Kind(
        "error",
        "The command line does not contain {connection_file}.",
        "Add {connection_file} where the kernel expects the path of its connection file.",
    ),
    "over-bounds": Kind(
        "error",
        "The kernelspec's requests, limits and bounds contradict each other.",
        "Keep requests at or below limits, and limits at or below bounds.",
    ),
    "service-account": Kind(
        "error",
        "Kernelspecs may not use this service account.",
        "Remove it, or add it to `kernelspecs.service_accounts` of the settings.",
    ),
    "over-house-bounds": Kind(
        "error",
        "A resource exceeds `kernelspecs.bounds` of the settings.",
        "Lower the value, or raise the bound in the settings.",
    ),
    "culled-late": Kind(
        "error",
        "Idle kernels would outlive their servers.",
        "Lower or remove `cull_idle_seconds`, or raise `culling.idle_seconds`.",
    ),
    "value": Kind("error", "A value is invalid.", "Use a value that the message describes."),
    "machine-path": Kind(
        "error",
        "A path exists only on somebody's own machine.",
        "Use the command's name alone, or a path in the image.",
    ),
    "substitution": Kind(
        "error",
        "Only {connection_file} is replaced in a pod, not {resource_dir} and similar variables.",
        "Use only {connection_file}, and put files into the image.",
    ),
    "not-replaced": Kind(
        "warning",
        "A variable in env is not replaced in a pod.",
        "Write the whole value, or set it by ENV in the image's Dockerfile, which knows the image's variables.",
    ),
    "secret": Kind(
        "error", "This looks like a secret, and everybody can read kernelspecs.", "Remove and revoke it."
    ),
    "kernel-variable": Kind(
        "error",
        "KERNEL_* and JUPYTER_* variables are reserved for the gateway.",
        "Remove it; homes and volumes depend on the user.",
    ),
    "host-path": Kind(
        "error", "The kernelspec mounts a folder of the node.", "Define a mount in the settings instead."
    ),
    "privileged": Kind("error", "The kernelspec requests privileges.", "Remove it; kernels never get privileges."),
    "image-tag": Kind("error", "The image has no fixed version.", "Add a digest or a tag other than latest."),
    "image-not-allowed": Kind(
        "error",
        "The image is not listed in `kernelspecs.allowed_images` of the settings.",
        "Use a listed image, or ask an admin to list it.",
    ),
    "language": Kind(
        "warning", "Lab does not know this language.", "Use the language name that the kernel reports."
    ),
    "logo-missing": Kind("warning", "The kernelspec has no logo.", "Add logo-svg.svg or logo-64x64.png."),
    "logo-size": Kind("warning", "A logo has the wrong size.", "Use the width and height in its file name."),
    "large-file": Kind(
        "error", "A file is larger than 1 MiB.", "Make it smaller; every listing of kernelspecs reads it."
    ),
    "file-name": Kind("error", "A file name contains control characters.", "Rename the file."),
    "file-mode": Kind(
        "error",
        "The gateway's user cannot read this file or folder.",
        "Set mode 0644 for files and 0755 for folders.",
    ),
    "writable": Kind(
        "warning", "Everybody can write to this file or folder.", "Set mode 0644 for files and 0755 for folders."
    ),
    "symlink": Kind(
        "error", "The file is a symbolic link.", "Replace it with the file itself; releases hold no links."
    ),
    "special-file": Kind("error", "This is neither a file nor a folder.", "Remove it."),
    "process-proxy": Kind(
        "warning",
        "metadata.process_proxy and metadata.kernel_provisioner are only used by other gateways.",
        "Remove it; the settings choose where kernels run.",
    ),
    "interrupt-mode": Kind(
        "warning",
        "Interrupts by signal need pods/exec, which is off by default.",
        'Set "interrupt_mode": "message" if the kernel supports it.',
    ),
    "launcher-missing": Kind(
        "error",
        "A kernelspec for a stock gateway lacks a file of its launcher.",
        "Build it again with `kernelpod specs build --stock`.",
    ),
    "interrupt-lost": Kind(
        "error",
        "This kernel does not support interrupt messages, so interrupts would be lost.",
        'Set "interrupt_mode": "signal", and allow signals with `runtime.kubernetes.exec_signals`.',
    ),
    "not-encrypted": Kind(
        "warning",
        "Messages to this kernel are not encrypted.",
        'Add `"supported_encryption": ["curve"]` to metadata if the image has ipykernel 7.4 or newer, else `[]`.',
    ),
    "launcher-drift": Kind(
        "warning", "A launcher differs from the shipped one.", "Use the shipped launcher from launchers/."
    ),
}


def finding(code: str, file: str, place: Place = START, said: str = "") -> Finding:
    """Return a finding with the given code. `said` is appended to its meaning.

    `file` is relative to the folder of kernelspecs. Raises KeyError if the code is not in KINDS.
    """
    kind = KINDS[code]
    return Finding(Path(file), place, f"{kind.meaning} {said}".rstrip(), kind.level, code, kind.remedy)
