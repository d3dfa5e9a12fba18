"""From what broke to what is raised: one table."""

from __future__ import annotations

from typing import Any

from leanebm.errors import ProtocolError, WorkerDied, WorkerLost, WorkerTimeout
from leanebm.lean._exchange import Exchange
from leanebm.lean.statistics import RetirementReason

__all__ = ["BREAKAGES", "how_it_ended", "loss_of", "reason_of"]

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
    """The error that tells of a lost worker.

    Args:
        breakage: What went wrong; becomes the error's cause.
        who: The worker, as a person would name it.
        ending: How its process ended by itself.
        doom: Why we ended it ourselves, if we did.
        culprit: The exchange it broke under, if there was one.
        stderr_tail: The last of its standard error.
    """
    command = "" if culprit is None else culprit.request.command
    during = f" during {command}" if command else " while idle"
    kind: type[WorkerLost]
    match breakage:
        case TimeoutError():
            seconds = 0.0 if culprit is None else culprit.deadline_s
            kind, what = WorkerTimeout, f"gave no answer within {seconds:g} s{during}; it was killed"
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
