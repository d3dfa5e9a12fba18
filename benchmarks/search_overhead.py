"""What each search costs by itself: seconds for so many expansions, where Lean and the policy answer at once.

    python benchmarks/search_overhead.py [EXPANSIONS …]

The world is drawn: eight tactics lead on from every goal, most to a goal that is new, some to a known one, some to two
goals, and nothing ends a proof. Where a search is linear, twice the expansions take twice the seconds.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections.abc import Sequence

from leanebm.core import Candidate, ProofSearch, ProofState
from leanebm.pipeline.parts import FAMILIES
from leanebm.search import CumulativeLogProb, SearchBudget, SearchConfig
from leanebm.testing import ToyCertifier, ToyWorld

BREADTH = 8


def world(expansions: int) -> ToyWorld:
    """A graph that so many expansions do not exhaust."""
    dice, goals = random.Random(0), BREADTH * expansions  # noqa: S311 - no secret
    moves = {}
    for number in range(goals):
        fresh = (str(child) for child in range(BREADTH * number + 1, BREADTH * number + BREADTH + 1))
        ends = [child if dice.random() < 0.9 else str(dice.randrange(goals)) for child in fresh]
        moves[str(number)] = {
            f"t{place}": f"{end} & {dice.randrange(goals)}" if dice.random() < 0.1 else end
            for place, end in enumerate(ends)
        }
    return ToyWorld(moves=moves)


class Everywhere:
    """A policy that proposes the same tactics for every state, with other probabilities."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Up to eight."""
        dice = random.Random(state.key)  # noqa: S311 - no secret
        return [Candidate(f"t{place}", -0.5 - dice.random()) for place in range(min(n, BREADTH))]


async def measure(name: str, expansions: int) -> float:
    """Seconds of one search."""
    toy = world(expansions)
    search = FAMILIES[ProofSearch].built_in[name](
        policy=Everywhere(),
        scorer=CumulativeLogProb(),
        environment=toy,
        certifier=ToyCertifier(toy),
        config=SearchConfig(budget=SearchBudget(max_expansions=expansions)),
    )
    started_s = time.perf_counter()
    result = await search.run("0")
    if result.statistics.expansions != expansions:
        raise AssertionError(f"{name} ended after {result.statistics.expansions} expansions: {result.outcome}")
    return time.perf_counter() - started_s


def main() -> None:
    """Print a table."""
    sizes = [int(word) for word in sys.argv[1:]] or [500, 1000, 2000, 4000]
    print(f"{'expansions':16}", *(f"{size:8}" for size in sizes))
    for name in sorted(FAMILIES[ProofSearch].built_in):
        print(f"{name:16}", *(f"{asyncio.run(measure(name, size)):7.2f}s" for size in sizes), flush=True)


if __name__ == "__main__":
    main()
