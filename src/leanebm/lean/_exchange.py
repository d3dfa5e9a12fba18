"""A request on its way, and what becomes of it when its worker breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

import attrs

from leanebm.lean._codec import MalformedReplyError, decode_reply, encode_request
from leanebm.lean.requests import Request

__all__ = ["Exchange"]

R = TypeVar("R")


@attrs.define(eq=False)
class Exchange(Generic[R]):
    """One request and the future of its answer. A caller that gave up has cancelled the future."""

    request: Request[R]
    nonce: str | None
    """What the answer must repeat; ``None`` for a worker that repeats nothing."""

    deadline_s: float
    on_abandoned: Callable[[R], None] | None = None
    answer: asyncio.Future[R] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())
    line: bytes = attrs.field(init=False)
    elapsed_s: float = 0.0

    def __attrs_post_init__(self) -> None:
        self.line = encode_request(self.request.command, self.request.payload, self.nonce)

    def read(self, line: bytes) -> R:
        """What ``line`` answers.

        Raises:
            MalformedReplyError: it is not the protocol, or answers another request.
            CommandRefused: it is a refusal.
        """
        reply = decode_reply(line)
        if self.nonce is not None and reply.get("nonce") != self.nonce:
            raise MalformedReplyError(f"the reply does not answer this {self.request.command}: another nonce, or none")
        return self.request.decode(reply)

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
