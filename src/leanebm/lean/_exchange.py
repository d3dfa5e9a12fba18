"""A request on its way: its line, the line that answers it, and what happens to it when its worker breaks.

One request is one line ``{"cmd": …, "payload": {…}, "nonce": …}`` and one reply is one line with a JSON object,
which repeats the nonce if there was one: nothing else that a worker may say passes for the answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import attrs

from leanebm._shown import shown
from leanebm.errors import ProtocolError, WorkerDied, WorkerLost, WorkerTimeout
from leanebm.lean._replies import JsonObject, MalformedReplyError, expect, optional
from leanebm.lean.requests import Request, time_left
from leanebm.lean.statistics import RetirementReason

_log = logging.getLogger(__name__)

R = TypeVar("R")

_EXCERPT_CHARACTERS = 200

_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


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
        if _MAYBE_SURROGATE.search(line):  # an escape may spell half a character, which no file holds
            json.dumps(reply, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedReplyError(f"not a line of JSON ({error}): {_excerpt(line)}") from error
    if not isinstance(reply, dict):
        raise MalformedReplyError(f"JSON, but not an object: {_excerpt(line)}")
    return reply


def _excerpt(line: bytes) -> str:
    text = line.decode("utf-8", "backslashreplace")
    return repr(text if len(text) <= _EXCERPT_CHARACTERS else f"{text[:_EXCERPT_CHARACTERS]}…")


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

    def line_now(self) -> bytes:
        """The line, as it is when it is written."""
        return self.line

    def read(self, line: bytes) -> R:
        """What ``line`` answers.

        Raises:
            MalformedReplyError: it is not the protocol, or answers another request.
            CommandRefused: it is a refusal.
        """
        reply = decode_reply(line)
        self._check_nonce(reply)
        return self.request.decode(reply)

    def _check_nonce(self, reply: JsonObject) -> None:
        if self.nonce is not None and reply.get("nonce") != self.nonce:
            raise MalformedReplyError(f"the reply does not answer this {self.request.command}: another nonce, or none")

    def deliver(self, reply: R) -> None:
        """Answer the caller, or whoever takes what the caller no longer wants."""
        if not self.answer.done():
            self.answer.set_result(reply)
        elif self.on_abandoned is not None:
            self.on_abandoned(reply)

    def abandon(self) -> None:
        """The caller was cancelled. The answer may be there already, though the caller never saw it."""
        if not self.answer.done() or self.answer.cancelled() or self.answer.exception() is not None:
            return
        if self.on_abandoned is not None:
            self.on_abandoned(self.answer.result())

    def fail(self, error: Exception) -> None:
        """Raise ``error`` where the caller waits, if it still does."""
        if not self.answer.done():
            self.answer.set_exception(error)

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.answer.cancelled()

    @property
    def about(self) -> str:
        """What is being asked, for messages; empty where that says nothing."""
        return self.request.about

    @property
    def is_answered(self) -> bool:
        """Whether no further line is due."""
        return True


@attrs.define(eq=False)
class Batch(Exchange[R]):
    """One request in several parts, each answered by a line of its own, which says how many are ``left``.

    A caller takes the answers as they come; one that goes away before the last of them has the rest abandoned.
    ``answer`` is what it waits for at the moment: if the caller is cancelled, so is that.
    """

    left: int = attrs.field(init=False)
    """Answers that are still due."""

    # Never more than there are parts, and an error.
    _replies: deque[tuple[R, float] | Exception] = attrs.field(init=False, factory=deque)
    _is_complete: bool = attrs.field(init=False, default=False)
    _is_left: bool = attrs.field(init=False, default=False)
    _asked_s: float = attrs.field(init=False, factory=lambda: asyncio.get_running_loop().time())

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.left = len(self.request.parts)

    def line_now(self) -> bytes:
        """The line, in which the time that it waited for its turn counts as time that it took."""
        if (within_ms := optional(self.request.payload, "within", int)) is None:
            return self.line
        left_s = time_left(within_ms / 1000, self._asked_s) or 0.0
        payload = {**self.request.payload, "within": round(left_s * 1000)}
        return encode_request(self.request.command, payload, self.nonce)

    def read(self, line: bytes) -> R:
        """What ``line`` answers, and how many answers are left: one fewer than before, or none."""
        reply = decode_reply(line)
        self._check_nonce(reply)
        left = expect(reply, "left", int) if "error" not in reply else optional(reply, "left", int) or 0
        if left not in (0, self.left - 1):
            raise MalformedReplyError(f"{left} answers are said to be left where {self.left} were")
        self.left = left
        self.elapsed_s = (optional(reply, "microseconds", int) or 0) / 1e6
        return self.request.decode(reply)

    async def next(self) -> tuple[R, float]:
        """The next answer, and the seconds that Lean took for it."""
        if not self._replies:
            if self.answer.done():
                self.answer = asyncio.get_running_loop().create_future()
            await self.answer
        match self._replies.popleft():
            case Exception() as error:
                raise error
            case reply:
                return reply

    def deliver(self, reply: R) -> None:
        """Answer the caller, or whoever takes what the caller no longer wants."""
        self._is_complete = self.left == 0
        if not self.is_abandoned:
            self._hand_over((reply, self.elapsed_s))
        elif self.on_abandoned is not None:
            self.on_abandoned(reply)

    def fail(self, error: Exception) -> None:
        """Raise ``error`` where the caller waits, if it still does."""
        if not self.is_abandoned:
            self._hand_over(error)

    def abandon(self) -> None:
        """The caller wants no more; answers may be there that it never saw."""
        self._is_left = True
        while self._replies:
            match self._replies.popleft():
                case (reply, _) if self.on_abandoned is not None:
                    self.on_abandoned(reply)

    def _hand_over(self, reply: tuple[R, float] | Exception) -> None:
        self._replies.append(reply)
        if not self.answer.done():
            self.answer.set_result(None)  # type: ignore[arg-type] # it only wakes the caller

    @property
    def is_abandoned(self) -> bool:
        """Whether nobody waits for an answer any more."""
        return self._is_left or self.answer.cancelled()

    @property
    def is_taken(self) -> bool:
        """Whether the caller has had every answer."""
        return self._is_complete and not self._replies

    @property
    def about(self) -> str:
        """The part that is being answered."""
        return self.request.parts[-self.left] if self.left else ""

    @property
    def is_answered(self) -> bool:
        """Whether no further line is due."""
        return self.left == 0


_STANDSTILL_S = 1.0
"""A deadline is noticed within milliseconds; if it takes longer than this, our process stood still."""


async def within(seconds: float, attempt: Callable[[], Awaitable[R]]) -> R:
    """Await ``attempt()``, for at most ``seconds`` through which our own process ran.

    A process that was stopped (Ctrl-Z, a debugger, a paused container) learns at the same moment of an
    answer that came long ago and of a deadline that passed long ago. The worker is not to blame: the deadline is
    moved by as long as we stood still, but not by more than ``seconds``, and ``attempt`` is called again.

    Args:
        seconds: of the event loop's clock, which is monotonic.
        attempt: takes up where an earlier call was cancelled.

    Raises:
        TimeoutError: the deadline passed.
    """
    clock = asyncio.get_running_loop().time
    due_s = clock() + seconds
    while True:
        try:
            async with asyncio.timeout_at(due_s):
                return await attempt()
        except TimeoutError:
            standstill_s = clock() - due_s
            if standstill_s < _STANDSTILL_S:
                raise
            _log.warning("this process stood still for %.1f s; whoever it waits for gets that time back", standstill_s)
            due_s = clock() + min(standstill_s, seconds)


BREAKAGES = (TimeoutError, EOFError, ValueError, LookupError, TypeError)
"""No answer in time, no more answers, and every way in which decoding something unexpected can fail."""

_REASONS: dict[type[WorkerLost], RetirementReason] = {
    WorkerDied: RetirementReason.DIED,
    WorkerTimeout: RetirementReason.TIMEOUT,
    ProtocolError: RetirementReason.PROTOCOL,
}


def loss_of(
    breakage: Exception, *, who: str, ending: str, doom: str | None, culprit: Exchange[Any] | None, stderr_tail: str
) -> WorkerLost:
    """The error by which a lost worker is reported.

    Args:
        breakage: What went wrong; becomes the error's cause.
        who: The worker, as a person would name it.
        ending: How its process ended by itself.
        doom: Why we ended it ourselves, if we did.
        culprit: The exchange it broke under, if there was one.
        stderr_tail: The last of its standard error.
    """
    command = "" if culprit is None else culprit.request.command
    about = "" if culprit is None or not culprit.about else f" {shown(culprit.about)}"
    during = f" during {command}{about}" if command else " while idle"
    kind: type[WorkerLost]
    match breakage:
        case TimeoutError():
            limit = "" if culprit is None else f" within {culprit.deadline_s:g} s ({culprit.request.limit})"
            kind, what = WorkerTimeout, f"gave no answer{limit}{during}; it was killed"
        case EOFError() if doom is not None:
            kind, what = WorkerDied, f"{doom}{during}; it was killed"
        case EOFError():
            kind, what = WorkerDied, f"ended{during}, {ending}"
        case _:
            kind, what = ProtocolError, f"broke the protocol{during}: {breakage}; it was killed"
    elapsed_s = 0.0 if culprit is None else culprit.elapsed_s
    loss = kind(f"{who} {what}", command=command, elapsed_s=elapsed_s, stderr_tail=stderr_tail)
    loss.__cause__ = breakage
    return loss


def reason_of(loss: WorkerLost) -> RetirementReason:
    """How the pool's statistics count a loss."""
    return _REASONS[type(loss)]


def how_it_ended(returncode: int | None) -> str:
    """An exit status in words."""
    if returncode is None:
        return "closing its standard output"
    return f"killed by signal {-returncode}" if returncode < 0 else f"with exit status {returncode}"
