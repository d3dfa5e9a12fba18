"""Bytes in, lines out; no I/O."""

from __future__ import annotations

__all__ = ["LineBuffer", "LineTooLongError"]


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
