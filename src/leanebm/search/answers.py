"""What parts answer, looked at before it is believed, so that a message names the part and not who asked it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import math
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from typing import Any

from leanebm._shown import raised, shown
from leanebm._whereabouts import is_foreign, is_ours
from leanebm.core import Candidate, EnergyModel, Leaf, ProofState, StateScorer, TacticPolicy
from leanebm.errors import EnergyError, LeanEbmError, PartBroken, PolicyError

_log = logging.getLogger(__name__)


@contextmanager
def blaming(what: str, *allowed: type[LeanEbmError], among: type[BaseException] = BaseException) -> Iterator[None]:
    """Make of what a part raises, and may not, an error that names it.

    All else goes on: what our own code has raised within the part, and somebody's order to stop.

    Args:
        what: the part, and when: ``the policy, when it was started,``.
        allowed: errors of ours that the part may raise itself.
        among: what is looked at; anything else goes on. A search looks at errors of ours, which it would otherwise
            lay at Lean's door or a server's.

    Raises:
        PartBroken: the part raised what is none of these.
    """
    task = asyncio.current_task()
    try:
        yield
    except BaseException as error:
        is_fine = not isinstance(error, among) or isinstance(error, (*allowed, PartBroken))
        if is_fine or _is_raised_by_us(error) or _is_order_to_stop(error, task):
            raise
        raise part_broken(what, error) from error


def _is_raised_by_us(error: BaseException) -> bool:
    """Whether ``error`` is one of ours that our own code raised, or that a part put in the place of such a one."""
    told, each = list[BaseException](), error
    while isinstance(each, LeanEbmError) and each not in told:
        if any(map(is_ours, _files(each)[-1:])):
            return True
        told.append(each)
        each = each.__cause__ or each
    return False


def _files(error: BaseException) -> list[str]:
    """Of the code that ``error`` came through, the innermost last; none if it was never raised."""
    return [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]


def _is_order_to_stop(error: BaseException, task: asyncio.Task[Any] | None) -> bool:
    """Whether ``task``, in which a part runs, was cancelled, or closed because nobody goes on with it."""
    if isinstance(error, GeneratorExit):
        # Closed from without; then the task itself does not run.
        return task is None or asyncio.current_task(task.get_loop()) is not task
    if isinstance(error, asyncio.CancelledError):
        return task is not None and task.cancelling() > 0
    return isinstance(error, KeyboardInterrupt)


def part_broken(what: str, error: BaseException) -> PartBroken:
    """What to raise where ``what`` raised something that no part's contract names; the log has the way there."""
    _log.info("a part raised", exc_info=error)
    return PartBroken(
        f"{what} raised {raised(error)} ({_place(error)}; -v shows the way there). A part may raise nothing but what "
        "its contract names; `leanebm check` tries each part alone"
    )


def _place(error: BaseException) -> str:
    """Where ``error`` comes from: the innermost code that is neither ours nor Python's, or any where there is none."""
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [(code, line) for code, line in frames if is_foreign(code.co_filename)]
    code, line = (theirs or frames)[-1]
    return f"in {code.co_qualname}, {code.co_filename}, line {line}"


def finite_numbers(numbers: Sequence[float], count: int, giver: object, what: str) -> list[float]:
    """What ``giver`` said, as plain floats: a tensor's numbers compare like those, but no column of a file takes them.

    Raises:
        PartBroken: it is not ``count`` numbers in an order, so that no other answer can be expected to be.
        EnergyError: some of these numbers are not finite, which may be so for these states only.
    """
    kind: type[PartBroken | EnergyError] = PartBroken
    with suppress(TypeError):  # what has no length, or is no number
        if len(numbers) == count and not isinstance(numbers, Mapping | Set):
            if all(map(_is_finite, numbers)):
                return [float(number) for number in numbers]
            kind = EnergyError
    raise kind(f"{type(giver).__name__} must give one finite {what}; where {count} were due it gave {shown(numbers)}")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every float
        return False


async def answer_of(part: object, method: str, *asked: object) -> Any:
    """What ``part.method`` answers.

    Raises:
        PartBroken: it cannot be awaited.
    """
    answer = getattr(part, method)(*asked)
    if not inspect.isawaitable(answer):
        raise PartBroken(
            f"{type(part).__name__}.{method} must be an `async def` that returns its answer; called, it gave "
            f"{shown(answer)}"
        )
    return await answer


async def scores_of(scorer: StateScorer, leaves: Sequence[Leaf]) -> list[float]:
    """What ``scorer`` gives ``leaves``. Raises as :func:`finite_numbers`, and what the scorer raises."""
    with blaming(f"{type(scorer).__name__}.score", EnergyError, PolicyError, among=LeanEbmError):
        answer = await answer_of(scorer, "score", leaves)
    return finite_numbers(answer, len(leaves), scorer, "number per leaf")


async def energies_of(model: EnergyModel, states: Sequence[ProofState]) -> list[float]:
    """What ``model`` gives ``states``. Raises as :func:`finite_numbers`, and what the model raises."""
    with blaming(f"{type(model).__name__}.energies", EnergyError, PolicyError, among=LeanEbmError):
        answer = await answer_of(model, "energies", states)
    return finite_numbers(answer, len(states), model, "energy per state")


async def proposals_of(policy: TacticPolicy, state: ProofState, n: int) -> list[Candidate]:
    """What ``policy`` proposes. Raises as :func:`candidates_from`, and what the policy raises."""
    with blaming(f"{type(policy).__name__}.propose", PolicyError, among=LeanEbmError):
        answer = await answer_of(policy, "propose", state, n)
    return candidates_from(policy, answer)


def candidates_from(giver: object, answer: object) -> list[Candidate]:
    """``answer`` itself, if it is candidates.

    Raises:
        PartBroken: it is not.
    """
    candidates = list(answer) if isinstance(answer, Iterable) else None
    if candidates is None or not all(isinstance(each, Candidate) for each in candidates):
        raise PartBroken(f"{type(giver).__name__} must give a list of Candidate; it gave {shown(answer)}")
    return candidates
