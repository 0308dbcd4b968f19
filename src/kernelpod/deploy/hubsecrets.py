"""Creates a hub's secrets, and changes them: the values, and files of them for a hub without Kubernetes.

A new cookie secret logs all users out. Without a former crypt key, data that it encrypted can no longer be read.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from kernelpod.base.files import replace_file
from kernelpod.deploy.steps import Step
from kernelpod.errors import KernelpodError, SettingsError

VARIABLES = {
    "cookie_secret": "JPY_COOKIE_SECRET",
    "proxy_token": "CONFIGPROXY_AUTH_TOKEN",
    "crypt_key": "JUPYTERHUB_CRYPT_KEY",
}
"""The environment variable from which JupyterHub reads each secret."""
MOST_CRYPT_KEYS = 4
_HEX = re.compile(r"[0-9a-f]{64}\n?")
_KEYS = re.compile(r"[0-9a-f]{64}(?:;[0-9a-f]{64})*\n?")


def fresh() -> str:
    """Return 256 random bits as hexadecimal digits, the format of all these secrets."""
    return secrets.token_hex(32)


def with_new_key(keys: str) -> str:
    """Return crypt keys with a new one first: JupyterHub encrypts with the first and decrypts with each.

    Raises KernelpodError if too many would be kept.
    """
    former = [key for key in keys.strip().split(";") if key]
    if len(former) >= MOST_CRYPT_KEYS:
        raise KernelpodError(
            f"There are {len(former)} crypt keys already, and nothing was changed. Once all users have logged in "
            "since the last rotation, remove the former ones with --forget-old-keys, or choose others with --only."
        )
    return ";".join([fresh(), *former])


def newest_key(keys: str) -> str:
    """Return the crypt key that encrypts."""
    return keys.strip().split(";")[0]


def make_files(folder: Path) -> list[str]:
    """Create the missing secrets as files that only their owner can read, and return their names.

    Raises SettingsError if an existing file is not such a secret; then nothing is changed.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        missing = [name for name in VARIABLES if not _is_there(folder / name)]
        for name in missing:
            _write(folder / name, fresh() + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"secrets cannot be stored in {folder}: {error}") from error
    return missing


def rotation(files: Iterable[Path], *, forget_old: bool = False) -> list[Step]:
    """Return the steps that give files of secrets new values. A file called crypt_key keeps its former keys.

    With `forget_old`, only the former crypt keys are left out. Nothing is changed yet. Raises SettingsError if a
    file is missing, can be read by others, or is no secret; KernelpodError if there are too many crypt keys.
    """
    steps = []
    for file in files:
        try:
            if not _is_there(file):
                raise SettingsError(f"{file} is missing; `kernelpod hub secrets --folder` makes files of secrets")
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{file} cannot be read: {error}") from error
        if file.name != "crypt_key":
            new, said = fresh(), "new"
        elif forget_old:
            new, said = newest_key(text), "former keys removed"
        else:
            new, said = with_new_key(text), "new; the former key is kept for reading"
        steps.append(Step(f"{file}: {said}", partial(replace_file, file, new + "\n")))
    return steps


def _is_there(file: Path) -> bool:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise SettingsError(f"{file} is not a file; choose another folder")
    if mode & 0o077:
        raise SettingsError(f"{file} can be read by others; run: chmod 600 {file}")
    form = _KEYS if file.name == "crypt_key" else _HEX
    if not form.fullmatch(file.read_text(encoding="utf-8")):
        raise SettingsError(
            f"{file} does not hold 64 hexadecimal digits; it was not changed. Move it away to get a new one"
        )
    return True


def _write(file: Path, text: str) -> None:
    """Write a file atomically, without overwriting an existing one."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".secret-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(name, file)
    finally:
        Path(name).unlink()
