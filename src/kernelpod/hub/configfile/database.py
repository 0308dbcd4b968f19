"""What is wrong with the URL of a hub's database, in words that do not hold its password.

JupyterHub hides the password in its log only where it finds one in the URL, and writes a traceback about a URL
that it cannot read.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

FORM = "DIALECT+DRIVER://NAME:PASSWORD@HOST:PORT/DATABASE, where a / in the password is %2F, @ is %40, : is %3A"


def wrong(url: str) -> str:
    """Return what is wrong with a URL of JupyterHub.db_url; "" if nothing is."""
    if "://" not in url:
        # For JupyterHub this is the path of a file of SQLite.
        return f"this is neither a path nor {FORM}" if "@" in url else ""
    try:
        parsed = make_url(url)
        hidden = urlsplit(url).password
    except (ArgumentError, ValueError):
        return f"this is no URL of the form {FORM}"
    if parsed.password and not hidden:
        return f"the password is cut off at one of its characters; write {FORM}"
    return _without_driver(parsed)


def holds_password(url: str) -> bool:
    """Return whether a URL, well-formed or not, seems to hold a password."""
    return bool(re.search(r"://[^:]*:.*@", url))


def _without_driver(url: URL) -> str:
    try:
        url.get_dialect().import_dbapi()
    except NoSuchModuleError:
        return f"SQLAlchemy knows no database {url.drivername}; write mysql+pymysql or postgresql+psycopg2"
    except ModuleNotFoundError as error:
        return f"{url.drivername} needs the package {error.name}, which is not installed here"
    return ""
