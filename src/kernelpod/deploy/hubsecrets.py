"""What a hub keeps secret, made once: a new one logs everybody out, or nobody can read what is encrypted."""

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
"""Each secret, and the variable that JupyterHub reads it from."""
_HEX = re.compile(r"[0-9a-f]{64}\n?")


def fresh() -> str:
    """Return 256 random bits as hexadecimal digits, which is what JupyterHub takes for each of them."""
    return secrets.token_hex(32)


def make_files(folder: Path) -> list[str]:
    """Return the names of the secrets that were missing, each now a file that only its owner reads.

    Raises SettingsError where a file is there that cannot be such a secret; then nothing has been changed.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        missing = [name for name in VARIABLES if not _is_there(folder / name)]
        for name in missing:
            _write(folder / name, fresh() + "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"secrets cannot be kept in {folder}: {error}") from error
    return missing


def _is_there(file: Path) -> bool:
    try:
        mode = file.lstat().st_mode
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(mode):
        raise SettingsError(f"{file} is no file; name another folder")
    if mode & 0o077:
        raise SettingsError(f"{file} may be read by others; run: chmod 600 {file}")
    if not _HEX.fullmatch(file.read_text(encoding="utf-8")):
        raise SettingsError(
            f"{file} does not hold 64 hexadecimal digits; it is left as it is. Move it away for a new one"
        )
    return True


def _write(file: Path, text: str) -> None:
    """Write a file whole or not at all, and never over another one."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=".secret-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        os.link(name, file)
    finally:
        Path(name).unlink()
