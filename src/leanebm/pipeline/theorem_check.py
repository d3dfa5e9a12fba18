"""Asks Lean which statements of a set elaborate, and says of the others why not."""

from __future__ import annotations

import enum
import functools
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Self, final

import attrs

from leanebm._shown import fitting_repr, named_repr, one_line
from leanebm.core import ProofAdvanced, ProofEnvironment, ProofFinished, Theorem
from leanebm.data import SHIPPED_LIBRARY, read_library_file
from leanebm.errors import CommandRefused, LeanError, StatementError
from leanebm.lean import LeanPool, ProofHandle
from leanebm.lean.absent_modules import WITHOUT_MATHLIB, of_mathlib
from leanebm.lean.requests import statement_fingerprint
from leanebm.pipeline._concurrently import for_each
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.events import LogObserver, Observer, stage
from leanebm.pipeline.workbench import open_lean


class Cause(enum.StrEnum):
    """What was found of a statement; all but the first are reasons to leave it out."""

    meaning: str
    """The same in a few words."""

    def __new__(cls, word: str, meaning: str) -> Self:
        """A word with its meaning."""
        cause = str.__new__(cls, word)
        cause._value_ = word
        cause.meaning = meaning
        return cause

    GOOD = "good", "elaborate, and repeat no earlier statement and no theorem of the library"
    MATHLIB = "needs Mathlib", f"use what only Mathlib has, which this Lean does not: {WITHOUT_MATHLIB}"
    SYNTAX = "syntax", "do not parse"
    UNKNOWN = "unknown name", "use a name that is not there"
    UNIVERSE = "universe", "have universe levels that do not fit"
    REFUSED = "refused", "hold what a statement, header or context may not hold"
    TYPE = "type", "do not elaborate for another reason"
    LIMIT = "limit", "take Lean too long to elaborate"
    DUPLICATE = "duplicate", "say the same as an earlier one"
    LIBRARY = "in the library", "say the same as a theorem of Lean's library"
    CONTRADICTION = "contradiction", "have hypotheses that contradict one another, and so say nothing"
    BROKEN = "broken", "broke Lean, so that nothing is known about them"


@attrs.frozen(kw_only=True)
class StatementCheck:
    """What was found of one statement."""

    theorem: Theorem

    cause: Cause

    message: str = ""
    """What Lean says, or which theorem says the same; empty for a good one."""

    fingerprint: str = ""
    """A hash of what it says, equal for equal statements, as in certificates; empty where Lean gave none."""

    __repr__ = fitting_repr

    @property
    def line(self) -> str:
        """What was found, on one line."""
        return f"{self.theorem.name}: {self.cause}{f': {one_line(self.message, 160)}' if self.message else ''}"


_SIGNS: Final = (
    (Cause.LIMIT, re.compile(r"maximum number of heartbeats|maximum recursion depth|\(deterministic\) timeout")),
    (
        Cause.UNIVERSE,
        re.compile(
            r"universe (?:level|constraint)|too many explicit universe"
            r"|has type\s+(?:Type|Sort)\b[^`]*of sort `[^`]*` but is expected to have type\s+(?:Type|Sort)\b"
        ),
    ),
    (
        Cause.UNKNOWN,
        re.compile(
            r"(?i:unknown) (?:identifier|constant|namespace|id|option|attribute)|does not contain `|Symbol not found"
        ),
    ),
    (Cause.REFUSED, re.compile(r"the statement uses sorry")),
    (Cause.SYNTAX, re.compile(r"\b(?:un)?expected (?:token|term|command|identifier|end of input)|unterminated")),
)

_BY_KIND: Final = {
    "parse": Cause.SYNTAX,
    "length": Cause.REFUSED,
    "encoding": Cause.REFUSED,
    "forbidden": Cause.REFUSED,
}


def cause_of(theorem: Theorem, error: LeanError, imports: Iterable[str]) -> Cause:
    """Why Lean did not open ``theorem``, as far as its message tells.

    Args:
        theorem: what was opened.
        error: what came of it.
        imports: the modules that it was opened over.
    """
    if not isinstance(error, StatementError):
        return Cause.LIMIT if isinstance(error, CommandRefused) and error.kind == "timeout" else Cause.BROKEN
    cause = next((cause for cause, sign in _SIGNS if sign.search(error.description)), None)
    cause = cause or _BY_KIND.get(error.kind, Cause.TYPE)
    if cause in {Cause.SYNTAX, Cause.UNKNOWN, Cause.TYPE} and of_mathlib(theorem, imports) is not None:
        return Cause.MATHLIB
    return cause


_CLOSERS: Final = ("contradiction", "omega", "simp_all; done", "grind")
"""What is tried on the hypotheses of a statement, to find that they contradict one another."""


@final
class TheoremCheckRun:
    """One look at a set of theorems: Lean is started, elaborates every statement, and is stopped.

    Args:
        config: which Lean, and how many statements at a time.
        theorems: what to look at; names must be unique.
        observer: is told what happens.
    """

    def __init__(self, config: RunConfig, theorems: Sequence[Theorem], *, observer: Observer | None = None) -> None:
        self._config = config
        self._theorems = theorems
        self._observer = LogObserver() if observer is None else observer

    __repr__ = named_repr("_theorems")

    async def run(self) -> tuple[StatementCheck, ...]:
        """One finding per theorem, in the same order.

        Raises:
            LeanInstallError: no usable Lean could be found or prepared.
            WorkerStartError: Lean does not start.
        """
        total = len(self._theorems)
        async with open_lean(self._config.lean, self._observer) as pool:
            with stage(self._observer, "elaborating", f"{total} statements") as elaborating:
                return await check_statements(
                    self._theorems,
                    pool,
                    concurrency=self._config.concurrency,
                    tell=lambda done: elaborating.progressed(done=done, total=total),
                )


async def check_statements(
    theorems: Sequence[Theorem],
    pool: LeanPool,
    *,
    concurrency: int = 4,
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[StatementCheck, ...]:
    """Have Lean elaborate every statement, and look for those that are not worth proving.

    Args:
        theorems: what to look at.
        pool: the Lean to ask.
        concurrency: statements looked at at the same time, at least 1.
        tell: is called with how many have been looked at.

    Returns:
        One finding per theorem, in the same order.
    """
    done = itertools.count(1)

    async def check(theorem: Theorem) -> StatementCheck:
        found = await _checked(theorem, pool)
        tell(next(done))
        return found

    return tuple(_without_repeats(await for_each(theorems, check, concurrency=concurrency)))


async def refused_by_cause(
    theorems: Sequence[Theorem], environment: ProofEnvironment, *, imports: Sequence[str], concurrency: int
) -> Counter[Cause]:
    """How many statements do not elaborate, and why.

    Args:
        theorems: what to look at. Those of the library need no look.
        environment: where to open them.
        imports: the modules that it has.
        concurrency: statements looked at at the same time, at least 1.
    """
    refused: Counter[Cause] = Counter()

    async def check(theorem: Theorem) -> None:
        try:
            async with environment.open(theorem):
                pass
        except StatementError as error:
            refused[cause_of(theorem, error, imports)] += 1
        except LeanError:  # the search meets it again, and counts it
            pass

    await for_each([each for each in theorems if each.copy_from is None], check, concurrency=concurrency)
    return refused


async def _checked(theorem: Theorem, pool: LeanPool) -> StatementCheck:
    try:
        async with pool.open(theorem) as proof:
            contradicts = theorem.statement is not None and await _is_contradictory(proof)
        fingerprint = await _fingerprint(theorem, pool)
    except LeanError as error:
        message = error.description if isinstance(error, CommandRefused) else str(error)
        return StatementCheck(theorem=theorem, cause=cause_of(theorem, error, pool.config.imports), message=message)
    cause = Cause.CONTRADICTION if contradicts else Cause.GOOD
    return StatementCheck(theorem=theorem, cause=cause, fingerprint=fingerprint)


async def _fingerprint(theorem: Theorem, pool: LeanPool) -> str:
    try:
        return await pool.ask(statement_fingerprint(theorem))
    except CommandRefused:  # a Pantograph has no such command
        return ""


async def _is_contradictory(proof: ProofHandle) -> bool:
    """Whether a few tactics find ``False`` among the hypotheses alone."""
    introduced = await proof.run_tactic(proof.root, "intros")
    state = introduced.state if isinstance(introduced, ProofAdvanced) else proof.root
    goal = state.goals[0]
    if not goal.hypotheses or goal.target == "False":  # then to refute them is what it states
        return False
    for closer in _CLOSERS:
        if isinstance(await proof.run_tactic(state, f"exfalso\n{closer}"), ProofFinished):
            return True
    return False


def _without_repeats(checks: Iterable[StatementCheck]) -> Iterable[StatementCheck]:
    """The checks, with what says the same as an earlier one or as the library found out."""
    first: dict[str, str] = {}
    for check in checks:
        stated = check.fingerprint
        if check.cause is Cause.GOOD and stated in first:
            yield attrs.evolve(check, cause=Cause.DUPLICATE, message=f"as {first[stated]!r}")
        elif check.cause is Cause.GOOD and check.theorem.copy_from is None and stated in library_by_fingerprint():
            yield attrs.evolve(check, cause=Cause.LIBRARY, message=f"as {library_by_fingerprint()[stated]}")
        else:
            yield check
        if stated:
            first.setdefault(stated, check.theorem.name)


@functools.cache
def library_by_fingerprint() -> Mapping[str, str]:
    """The shipped library's theorems, by what they say."""
    return {theorem.fingerprint: theorem.name for theorem in read_library_file(SHIPPED_LIBRARY)}
