"""Values that others wrote, in our messages and on screens: short, and without power over a terminal."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, Final, final

import attrs

_MAX_TEXT: Final = 100
_MAX_BITS: Final = 128

_STEERING: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and line feed, and C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what turns the direction of text round
    "\u2028\u2029\ud800-\udfff]"  # further line ends, and lone surrogates, which no file can hold
)


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
    """A value as JSON writes it, cut to the same length."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        return shown(value)
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}…"


def one_line(text: str, limit: int = 80) -> str:
    """A text on one line, cut where it gets longer than ``limit`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def around(text: str, offset: int) -> str:
    """Where the character number ``offset`` stands, counted from 1, with what stands about it on its line.

    >>> from leanebm._shown import around
    >>> around("f (g (x) = 1", 2)
    "column 3, in 'f (g (x) = 1'"
    """
    start = text.rfind("\n", 0, offset) + 1
    column = offset - start
    line = text[start:].split("\n", 1)[0]
    number = f"line {text.count(chr(10), 0, offset) + 1}, " if "\n" in text else ""
    return f"{number}column {column + 1}, in {line[max(0, column - 20) : column + 20]!r}"


def printable(text: str) -> str:
    r"""``text`` with every character written out as ``\uXXXX`` that would steer a terminal rather than be shown by it.

    Line feeds and tabs stay. In JSON and TOML, where such characters stand in strings only, the value stays the same.
    """
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def sentence(error: BaseException) -> str:
    """What ``error`` says to a person: attrs puts the attribute and the value behind its sentence."""
    try:
        return str(error.args[0]) if error.args else str(error)
    except Exception as mute:  # noqa: BLE001 - an error of a user's code may be unable to say what it is
        return f"what it says cannot be read: {type(mute).__name__}"


def raised(error: BaseException) -> str:
    """``ValueError: no such word``: what code that is not ours has raised, in a message of ours."""
    return f"{type(error).__name__}: {sentence(error)}".removesuffix(": ")


def reason(error: Exception) -> str:
    """Why something could not be read: what the operating system said, without its number and the path again."""
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text: byte {error.start + 1} is not UTF-8"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def hint(word: object, words: Iterable[str]) -> str:
    """``; did you mean 'prove'?`` where one of ``words`` is written nearly so, to follow a message; else nothing."""
    import difflib  # 5 ms, for those who mistype only

    close = difflib.get_close_matches(word[:_MAX_TEXT], words, n=1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""


def writer(version: object) -> str:
    """``leanebm 0.1.0, which wrote it``: by what a file says, if it says that."""
    if isinstance(version, str) and re.fullmatch(r"\d[\w.+!-]{0,40}", version, re.ASCII):
        return f"leanebm {version}, which wrote it"
    return "the leanebm that wrote it (the file does not say which one did)"


def how_many(items: Sized) -> str:
    """``<12>``: what a repr shows of something that would fill the screen."""
    return f"<{len(items)}>"


def counted(number: int, noun: str) -> str:
    """``1 node``, ``1,204 nodes``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[object], most: int) -> str:
    """``'a', 'b' and 12 more``: the first ``most`` of the names, as messages show them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(map(shown, names[:most]))}{more}"


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


def named_repr(*attributes: str) -> Callable[[Any], str]:
    """A short ``repr`` for objects that are not values: the class, and what some attributes hold.

    For use in a class: ``__repr__ = named_repr("_folder")``.
    """

    def named(thing: Any) -> str:
        told = ", ".join(cut(" ".join(shown(getattr(thing, name, "…")).split()), _SHARES[0]) for name in attributes)
        return f"<{type(thing).__qualname__}{f': {told}' if told else ''}>"

    return named


def _is_default(field: attrs.Attribute[Any], content: object) -> bool:
    default: Any = field.default
    if default is attrs.NOTHING or getattr(default, "takes_self", False):
        return False
    try:
        return bool(content == (default.factory() if isinstance(default, type(_FACTORY)) else default))
    except Exception:  # noqa: BLE001 - arrays cannot be compared so, and a repr must not fail
        return False


_FACTORY: Final[Any] = attrs.Factory(list)
