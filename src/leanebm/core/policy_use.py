"""What a policy reports beside its candidates: how long requests waited, and which weights answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import attrs

from leanebm._shown import fitting_repr


@attrs.define
class PolicyUse:
    """One search's use of a policy. A policy has many callers at a time, so it is told through the context."""

    waited_s: float = 0.0
    """Seconds that requests waited to be let out: for room, or for a server that was full."""

    weights: set[str] = attrs.field(factory=set)
    """Versions of the weights that answered."""

    __repr__ = fitting_repr

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note here what the policies say that are asked within the block, in its own task and in those it starts."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    @classmethod
    def current(cls) -> PolicyUse:
        """Where a policy notes what it has to say; nobody reads it if nobody asked for it."""
        return _CURRENT.get() or cls()


_CURRENT: Final[ContextVar[PolicyUse | None]] = ContextVar("leanebm_policy_use", default=None)
