"""Checks the URL of a hub's database. Error messages never contain the password.

JupyterHub hides the password in its log only if it finds one in the URL. If it cannot parse the URL, it logs a
traceback.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

FORM = "DIALECT+DRIVER://NAME:PASSWORD@HOST:PORT/DATABASE, where a / in the password is %2F, @ is %40, : is %3A"


def wrong(url: str) -> str:
    """Return an error message for a value of JupyterHub.db_url, or "" if it is valid."""
    if "://" not in url:
        # JupyterHub takes this for the path of a SQLite file.
        return f"this is neither a path nor {FORM}" if "@" in url else ""
    try:
        parsed = make_url(url)
        hidden = urlsplit(url).password
    except (ArgumentError, ValueError):
        return f"this is not a URL of the form {FORM}"
    if parsed.password and not hidden:
        return f"the password contains a character that must be escaped; write {FORM}"
    return _without_driver(parsed)


def holds_password(url: str) -> bool:
    """Return whether a text looks like a URL with a password, even if it is not a valid URL."""
    return bool(re.search(r"://[^:]*:.*@", url))


def _without_driver(url: URL) -> str:
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        return f"SQLAlchemy does not know {url.drivername}; write mysql+pymysql or postgresql+psycopg2"
    except ModuleNotFoundError as error:
        return f"{url.drivername} needs the package {error.name}, which is not installed here"
    return ""
