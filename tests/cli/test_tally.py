from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.cli.tally import RunTally
from leanebm.core import Theorem
from leanebm.errors import StatementError
from leanebm.pipeline import RunFolder, RunStarted, SearchAdvanced, TheoremFinished, TheoremRefused
from leanebm.search import BestFirstSearch, SearchResult
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import LOST, ManualClock, ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld(moves={**ToyWorld.countdown(8).moves, "7": {"halve": LOST}, "5": {}})


async def searched(number: int) -> SearchResult:
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(WORLD),
        scorer=CumulativeLogProb(),
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
    )
    return await search.run(Theorem(name=f"n{number}", statement=str(number)))


async def test_each_ending_is_counted_where_it_belongs() -> None:
    tally = RunTally(clock=ManualClock())
    tally.take(RunStarted(RunFolder(Path("runs")), 4, 0))
    for number in (2, 5, 7):
        tally.take(TheoremFinished(await searched(number), None))
    tally.take(TheoremRefused(Theorem(name="bad", statement="x"), StatementError("parse", "no")))
    assert (tally.proved, tally.not_proved, tally.lost, tally.refused) == (1, 1, 1, 1)
    assert tally.done == tally.total == 4
    assert tally.newest_proof is not None
    assert tally.newest_proof.theorem.name == "n2"


async def test_a_finished_search_is_not_counted_twice() -> None:
    tally = RunTally(clock=ManualClock())
    result = await searched(4)
    tally.take(SearchAdvanced(theorem=result.theorem, nodes=2, tactic_calls=3))
    assert (tally.nodes, tally.tactic_calls) == (2, 3)
    tally.take(TheoremFinished(result, None))
    assert (tally.nodes, tally.tactic_calls) == (result.statistics.nodes, result.statistics.tactic_calls)


def test_the_rate_is_taken_from_the_start_of_searching() -> None:
    clock = ManualClock()
    tally = RunTally(clock=clock)
    assert tally.calls_per_s == 0.0
    clock.advance(100.0)
    tally.take(RunStarted(RunFolder(Path("runs")), 1, 0))
    tally.take(SearchAdvanced(theorem=Theorem(name="t", statement="1"), nodes=9, tactic_calls=30))
    clock.advance(10.0)
    assert tally.calls_per_s == pytest.approx(3.0)
