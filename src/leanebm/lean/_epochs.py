"""Numbers for worker incarnations."""

from __future__ import annotations

from itertools import count

__all__ = ["next_epoch"]

_epochs = count(1)


def next_epoch() -> int:
    """A number that nothing else in this process got: what tells a stale state from a live one."""
    return next(_epochs)
