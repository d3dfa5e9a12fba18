"""Bytes on the wire ↔ JSON values. Pure: no I/O, no process, no clock.

One request is one line ``{"cmd": …, "payload": {…}, "nonce": …}`` and one reply is one line with a JSON object,
which repeats the nonce if there was one: nothing else that a worker may say passes for the answer.
An object with an ``error`` key is a refusal; what else a reply may look like depends on its command
(:mod:`leanebm.lean._replies`). Replies are told apart by the keys they have, never by a version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TypeVar

__all__ = [
    "JsonObject",
    "LineBuffer",
    "LineTooLongError",
    "MalformedReplyError",
    "decode_reply",
    "encode_request",
    "expect",
    "optional",
]

JsonObject = Mapping[str, object]

T = TypeVar("T")

_EXCERPT_CHARACTERS = 200

_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class MalformedReplyError(ValueError):
    """A reply that is not the protocol; the pipe it came from cannot be trusted any more."""


def encode_request(command: str, payload: JsonObject, nonce: str | None = None) -> bytes:
    r"""One line, its newline included.

    Text goes out raw in UTF-8 (older Leans do not decode surrogate pairs); JSON escapes every control
    character, so that a newline inside a tactic never becomes a second, empty line, which would end
    the worker.

    Raises:
        UnicodeEncodeError: the payload holds a lone surrogate, which is not text.
    """
    numbered = {} if nonce is None else {"nonce": nonce}
    request = {"cmd": command, "payload": payload, **numbered}
    text = json.dumps(request, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode_reply(line: bytes) -> JsonObject:
    """The JSON object on one line.

    Raises:
        MalformedReplyError: it is not UTF-8, not JSON, not an object, or holds a lone surrogate.
    """
    try:
        reply = json.loads(line.decode("utf-8"))
        if _MAYBE_SURROGATE.search(line):  # JSON's escapes can spell what is no text; files and prompts cannot hold it
            json.dumps(reply, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError(f"not a line of JSON ({error}): {_excerpt(line)}") from error
    if not isinstance(reply, dict):
        raise MalformedReplyError(f"JSON, but not an object: {_excerpt(line)}")
    return reply


def expect(reply: JsonObject, key: str, kind: type[T]) -> T:
    """The value under ``key``, which must be there and be a ``kind``.

    Raises:
        MalformedReplyError: it is not there, or is something else.
    """
    value = optional(reply, key, kind)
    if value is None:
        raise MalformedReplyError(f"no {key!r} among {sorted(reply)}")
    return value


def optional(reply: JsonObject, key: str, kind: type[T]) -> T | None:
    """The value under ``key``, or ``None`` where it is missing or null.

    Raises:
        MalformedReplyError: it is neither null nor a ``kind``.
    """
    value = reply.get(key)
    # JSON tells true from 1; Python's isinstance(True, int) would not.
    if value is None or (isinstance(value, kind) and (kind is bool or not isinstance(value, bool))):
        return value
    raise MalformedReplyError(f"{key!r} should be of type {kind.__name__}, not {type(value).__name__}")


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= _EXCERPT_CHARACTERS else f"{text[:_EXCERPT_CHARACTERS]}…")


class LineTooLongError(ValueError):
    """A line grew beyond the limit before its end was seen."""


class LineBuffer:
    """Collects bytes as they come and hands out complete lines without their newline.

    Holds at most ``max_line_bytes`` of an unfinished line.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._bytes = bytearray()
        # Everything before this offset is known to hold no newline, so a long line is scanned once.
        self._scanned = 0

    def __bool__(self) -> bool:
        """Whether anything is waiting, a complete line or not."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> None:
        """Append ``data``."""
        self._bytes += data

    def next_line(self) -> bytes | None:
        """Take the oldest complete line, or ``None`` while there is none.

        Raises:
            LineTooLongError: the line, finished or not, is longer than the limit.
        """
        end = self._bytes.find(b"\n", self._scanned)
        length = len(self._bytes) if end < 0 else end
        if length > self._max_line_bytes:
            raise LineTooLongError(f"a line of more than {self._max_line_bytes} bytes")
        if end < 0:
            self._scanned = length
            return None
        line = bytes(self._bytes[:end])
        del self._bytes[: end + 1]
        self._scanned = 0
        return line

    @property
    def is_overfull(self) -> bool:
        """Whether more is held than any line may have, so that reading on is pointless."""
        return len(self._bytes) > self._max_line_bytes
