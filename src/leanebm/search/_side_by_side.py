"""Several expansions under way at once, for a policy that takes its time and Lean on several workers.

Theory of operation. Up to ``k`` nodes are taken from the frontier before the first of them is done. Each has a task
that asks the policy about it and runs what it proposes; what comes of that is only noted. It is entered into the tree,
scored and queued in the order in which the nodes were taken, and only then is the next node taken. So what a search
does is a function of the answers that it gets, never of which came first: with the same answers, two runs grow the same
tree. It is another tree than with ``k = 1``, for a node is taken before all that came of earlier ones is known.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing

import attrs

from leanebm._cancelled import uninterrupted
from leanebm.core import Candidate, Edge, Node, ProofFinished, TacticOutcome
from leanebm.search.progress import Expansion, SearchProgress


@attrs.define(eq=False)
class _Ahead:
    """An expansion that is under way."""

    expansion: Expansion
    allowance: int
    """Tactics that it may run before its turn: those of all that are under way together stay within the budget."""

    candidates: Sequence[Candidate] | None = None
    outcomes: list[TacticOutcome] = attrs.field(factory=list)
    """What the first of the candidates led to."""

    task: asyncio.Task[None] = attrs.field(init=False)


@attrs.frozen(eq=False, kw_only=True)
class SideBySide:
    """Expands nodes, ``most`` at a time. The other fields are the steps of the search that it does this for."""

    most: int
    candidates_per_state: int
    tactics_per_request: int
    select: Callable[[SearchProgress], Node]
    begin: Callable[[SearchProgress, Node], Expansion]
    ask: Callable[[SearchProgress, Expansion, Node], Awaitable[Sequence[Candidate] | None]]
    take: Callable[[SearchProgress, Edge], Awaitable[None]]
    run_rest: Callable[[SearchProgress, Expansion, Sequence[Candidate]], Awaitable[None]]
    evaluate: Callable[[SearchProgress, Expansion], Awaitable[None]]

    async def run(self, progress: SearchProgress) -> None:
        """Expand until there is a proof, no node or no budget. A failure is raised when its node's turn comes."""
        under_way: deque[_Ahead] = deque()
        try:
            while progress.certificate is None:
                while len(under_way) < self.most and progress.may_expand:
                    if not (allowance := self._allowance(progress, under_way)):
                        break
                    under_way.append(self._set_out(progress, allowance))
                if not under_way:
                    return
                await asyncio.wait([under_way[0].task])
                await self._take_up(progress, under_way.popleft(), promised=_promised(under_way))
        finally:
            for ahead in under_way:
                ahead.task.cancel()
            if under_way:
                await uninterrupted(asyncio.gather(*(ahead.task for ahead in under_way), return_exceptions=True))

    def _allowance(self, progress: SearchProgress, under_way: Iterable[_Ahead]) -> int:
        """Tactics that one more expansion may run before its turn."""
        most, left = self.candidates_per_state, progress.meter.tactics_left
        return most if left is None else min(most, left - _promised(under_way))

    def _set_out(self, progress: SearchProgress, allowance: int) -> _Ahead:
        ahead = _Ahead(self.begin(progress, self.select(progress)), allowance)
        ahead.task = asyncio.create_task(self._look(progress, ahead))
        return ahead

    async def _look(self, progress: SearchProgress, ahead: _Ahead) -> None:
        """Ask the policy and run what it proposes; nothing of it is entered anywhere yet."""
        state = ahead.expansion.node.state
        ahead.candidates = await self.ask(progress, ahead.expansion, ahead.expansion.node)
        tactics = [each.tactic for each in (ahead.candidates or ())[: ahead.allowance]]
        while len(ahead.outcomes) < len(tactics) and progress.meter.allows_tactic:
            rest = tactics[len(ahead.outcomes) :][: self.tactics_per_request]
            outcomes = progress.outcomes(state, rest)
            async with aclosing(outcomes):
                async for outcome in outcomes:
                    ahead.outcomes.append(outcome)
            if isinstance(ahead.outcomes[-1], ProofFinished):
                return  # whether the others are needed is known when this one has been certified

    async def _take_up(self, progress: SearchProgress, ahead: _Ahead, *, promised: int) -> None:
        """Enter what came of an expansion, while later ones may run as many tactics as they were ``promised``."""
        expansion, candidates = ahead.expansion, ahead.candidates
        for candidate, outcome in zip(candidates or (), ahead.outcomes, strict=False):
            progress.meter.tactic_calls += 1
            await self.take(progress, expansion.follow(candidate, outcome, found_s=progress.meter.elapsed_s))
            if progress.certificate is not None:
                return
        ahead.task.result()  # raises what ended it, after what it had found by then
        rest, left = (candidates or ())[len(ahead.outcomes) :], progress.meter.tactics_left
        if candidates is not None and (left is None or len(rest) <= left - promised or not promised):
            await self.run_rest(progress, expansion, rest)
        if progress.certificate is not None:
            return
        expansion.spent_states.append(expansion.node.state)
        await self.evaluate(progress, expansion)
        await progress.free(expansion.spent_states)


def _promised(under_way: Iterable[_Ahead]) -> int:
    return sum(ahead.allowance for ahead in under_way)
