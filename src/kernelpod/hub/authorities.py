"""Copies the authorities of JupyterHub.internal_ssl, so that they may be files of a Secret.

Certipy, by which JupyterHub reads them, sets the mode of each file that it reads. Those of a mounted Secret are
read-only, and the hub would not start.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def copy_authorities(c: Any) -> None:
    """Let `external_ssl_authorities` in the configuration `c` name copies beside the folder of certificates.

    Call it when both are set. Without authorities nothing happens. Raises OSError.
    """
    given: dict[str, dict[str, str]] = c.JupyterHub.get("external_ssl_authorities", {})
    if not given:
        return
    folder = Path(f"{c.JupyterHub.get('internal_certs_location', 'internal-ssl')}-authorities")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    c.JupyterHub.external_ssl_authorities = {
        name: {kind: shutil.copyfile(file, str(folder / f"{name}.{kind}")) for kind, file in files.items()}
        for name, files in given.items()
    }
