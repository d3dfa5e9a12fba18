"""A request on its way, and what becomes of it when its worker breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from leanebm.lean.requests import Request

__all__ = ["Exchange"]

R = TypeVar("R")


@attrs.define(eq=False)
class Exchange(Generic[R]):
    """One request and the future of its answer. A caller that gave up has cancelled the future."""

    request: Request[R]
    line: bytes
    deadline_s: float
    answer: asyncio.Future[R]
    on_abandoned: Callable[[R], None] | None
    elapsed_s: float = 0.0

    def deliver(self, reply: R) -> None:
        """Answer the caller, or whoever takes what the caller no longer wants."""
        if not self.answer.done():
            self.answer.set_result(reply)
        elif self.on_abandoned is not None:
            self.on_abandoned(reply)

    def abandon(self) -> None:
        """The caller was cancelled. If the answer is there already, it just did not hear of it any more."""
        if not self.answer.done() or self.answer.cancelled() or self.answer.exception() is not None:
            return
        if self.on_abandoned is not None:
            self.on_abandoned(self.answer.result())

    def fail(self, error: Exception) -> None:
        """Raise ``error`` where the caller waits, if it still does."""
        if not self.answer.done():
            self.answer.set_exception(error)
