"""The URL of a hub below whose host each server has one of its own."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from kernelpod.base.fields import Url


def above_subdomains(url: str) -> str:
    """Return the URL of a hub whose servers have subdomains, without a final slash."""
    parts = urlsplit(url)
    try:
        ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        if parts.path.strip("/"):
            raise ValueError(
                "with subdomains, the hub's URL has no path, such as https://hub.example.org"
            ) from None
        return url.rstrip("/")
    raise ValueError("an address has no subdomains; write a name, such as https://hub.example.org")


HostUrl = Annotated[Url, AfterValidator(above_subdomains)]
