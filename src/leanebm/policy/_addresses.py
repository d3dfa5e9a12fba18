"""Checks of server addresses in settings."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import attrs

__all__ = ["http_url", "without_slash"]


def http_url(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
    """An attrs validator: an address of a server, without secrets in it."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{attribute.name} must look like http://host:port, got {value!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(f"{attribute.name} must be an address only; the key goes into api_key")


def without_slash(url: str) -> str:
    """The address in the form that paths are appended to."""
    return url.rstrip("/")
