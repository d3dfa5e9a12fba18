"""Values that others wrote, in our messages: short, whatever they are."""

from __future__ import annotations

import json
import reprlib
from typing import Final, final

__all__ = ["one_line", "shown", "shown_json"]

_MAX_TEXT: Final = 100
_MAX_BITS: Final = 128


@final
class _Shown(reprlib.Repr):
    """``repr``, but for the depth and length that would make a message endless, or raise in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 3
        self.maxstring = self.maxother = _MAX_TEXT

    def repr_int(self, value: int, level: int) -> str:  # noqa: ARG002 - the signature is reprlib's
        # Python refuses to write out more than 4300 digits.
        bits = value.bit_length()
        return repr(value) if bits <= _MAX_BITS else f"a number of {bits} bits"


_SHOWN: Final = _Shown()


def shown(value: object) -> str:
    """``repr(value)``, cut to a length and a depth that fit a message."""
    return _SHOWN.repr(value)


def shown_json(value: object) -> str:
    """A value as JSON writes it, cut likewise."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return shown(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def one_line(text: str, limit: int = 80) -> str:
    """A text on one line, cut where it gets longer than ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
