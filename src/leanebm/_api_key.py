"""What can be an API key."""

from __future__ import annotations

import re
from typing import Any, Final

import attrs

__all__ = ["check_api_key"]

_KEY: Final = re.compile(r"[!-~]+")


def check_api_key(_: object, attribute: attrs.Attribute[Any], value: str | None) -> None:
    """Validate a key, or ``None``: it must fit into an HTTP header as one word.

    Raises:
        ValueError: it does not. The message does not hold it: keys are not to be written down.
    """
    if value is not None and not _KEY.fullmatch(value):
        raise ValueError(f"{attribute.name!r} must be visible ASCII characters without spaces, at least one")
