"""Values in our messages, and on the screens of those who work with them: short, whatever they are."""

from __future__ import annotations

import json
import reprlib
from typing import Any, Final, final

import attrs

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


def cut(text: str, most: int) -> str:
    """``text``, or its first ``most`` characters and a sign that there were more."""
    return text if len(text) <= most else f"{text[:most]}…"


_MAX_REPR: Final = 480

_SHARES: Final = (120, 60, 30, 15)

"""How many characters each field may take: the first of these with which the whole fits."""


def fitting_repr(value: Any) -> str:
    """The ``repr`` of an attrs value: one short line, whatever is in it. Fields that hold their default are left out.

    For use in a class: ``__repr__ = fitting_repr``.
    """
    told = [
        (field.alias or field.name, field.repr(content) if callable(field.repr) else shown(content))
        for field in attrs.fields(type(value))
        if field.repr and not _is_default(field, content := getattr(value, field.name))
    ]
    name = type(value).__qualname__
    most = _MAX_REPR - len(name)
    for share in _SHARES:
        inside = ", ".join(f"{alias}={cut(' '.join(text.split()), share)}" for alias, text in told)
        if len(inside) <= most:
            break
    return f"{name}({cut(inside, most)})"


def _is_default(field: attrs.Attribute[Any], content: object) -> bool:
    default: Any = field.default
    if default is attrs.NOTHING or getattr(default, "takes_self", False):
        return False
    try:
        return bool(content == (default.factory() if isinstance(default, type(_FACTORY)) else default))
    except Exception:  # noqa: BLE001 - arrays cannot be compared so, and a repr must not fail
        return False


_FACTORY: Final[Any] = attrs.Factory(list)
