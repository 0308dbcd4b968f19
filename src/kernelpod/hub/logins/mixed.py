"""Adds what Kernelpod needs to any authenticator that an admin has chosen."""

from __future__ import annotations

from typing import Any

from jupyterhub.app import JupyterHub
from traitlets.config import Config


def mixed(mixin: type, authenticator: Any, **attributes: Any) -> type:
    """Return the authenticator's class with a mixin before it and attributes, under its own name.

    `authenticator` is what `JupyterHub.authenticator_class` may be: a class, the name of an entry point, an import
    path, or an empty section of a configuration. Raises TraitError if the class does not exist.
    """
    config = Config()
    if authenticator:
        config.JupyterHub.authenticator_class = authenticator
    chosen: Any = JupyterHub(config=config).authenticator_class
    return type(
        chosen.__name__,
        (mixin, chosen),
        {**attributes, "__doc__": chosen.__doc__, "__module__": chosen.__module__},
    )
