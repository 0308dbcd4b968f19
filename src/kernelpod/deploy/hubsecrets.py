"""Creates a hub's secrets once. They must not change.

A new cookie secret logs all users out. With a new crypt key, encrypted data can no longer be read.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
import tempfile
from pathlib import Path

from kernelpod.errors import SettingsError

VARIABLES = {
    "cookie_secret": "JPY_COOKIE_SECRET",
    "proxy_token": "CONFIGPROXY_AUTH_TOKEN",
    "crypt_key": "JUPYTERHUB_CRYPT_KEY",
}
"""The environment variable from which JupyterHub reads each secret."""
_HEX = re.compile(r"[0-9a-f]{64}\n?")


def fresh() -> str:
    """Return 256 random bits as hexadecimal digits, the format of all these secrets."""
    return secrets.token_hex(32)


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


def _is_there(file: Path) -> bool:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise SettingsError(f"{file} is not a file; choose another folder")
    if mode & 0o077:
        raise SettingsError(f"{file} can be read by others; run: chmod 600 {file}")
    if not _HEX.fullmatch(file.read_text(encoding="utf-8")):
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
