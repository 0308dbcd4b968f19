"""Exchanges to try things on."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest
from desk import Desk


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTERHUB_USER", "nobody")
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{os.environ['PATH']}")  # nbgrader runs alembic
    logging.getLogger("traitlets").setLevel(logging.INFO)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An exchange with a folder for each student."""
    return Desk(tmp_path)


@pytest.fixture
def open_desk(tmp_path: Path) -> Desk:
    """An exchange in nbgrader's own layout, where all hand in at one place."""
    return Desk(tmp_path, personalised=False)
