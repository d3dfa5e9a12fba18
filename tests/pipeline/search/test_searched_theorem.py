from __future__ import annotations

from typing import Any

import attrs

from leanebm.core import Theorem
from leanebm.errors import StatementError
from leanebm.pipeline import SearchedTheorem, Stage
from leanebm.pipeline.search.searched_theorem import SearchTally
from leanebm.search import BestFirstSearch, SearchObserver
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import LOST, ManualClock, ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld(moves={**ToyWorld.countdown(8).moves, "7": {"halve": LOST}, "5": {}})
BAD = SearchedTheorem(theorem=Theorem(name="bad", statement="x"), error=StatementError("parse", "no\nway"))


async def searched(number: int, world: ToyWorld = WORLD, observer: SearchObserver | None = None) -> SearchedTheorem:
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
        observer=observer,
    )
    theorem = Theorem(name=f"n{number}", statement=str(number))
    return SearchedTheorem(theorem=theorem, result=await search.run(theorem))


async def test_each_ending_is_a_line() -> None:
    lines = [(await searched(number)).line.split() for number in (2, 5, 7)]
    assert [line[:2] for line in lines] == [["proved", "n2"], ["exhausted", "n5"], ["infrastructure", "n7"]]
    two = await searched(2)
    assert two.result is not None
    assert two.result.certificate is not None
    assert two.line.endswith(f"  {'; '.join(two.result.certificate.tactics)}")
    assert not two.is_trouble
    assert BAD.is_trouble
    assert BAD.line.startswith("not a theorem  bad: ")
    assert "\n" not in BAD.line


async def test_each_ending_is_counted_where_it_belongs(observer: Any) -> None:
    tally = SearchTally(stage=Stage("searching", observer), total=4, clock=ManualClock())
    for number in (2, 5, 7):
        tally.ended(await searched(number))
    tally.ended(BAD)
    last = observer.events[-1]
    assert (last.done, last.total, last.item) == (4, 4, BAD)
    assert last.counts.startswith("proved 1 · not proved 1 · lost 1 · ")
    assert last.counts.splitlines()[1].startswith("newest proof: n2 by ")


async def test_a_search_that_runs_is_counted_before_it_ends_and_not_twice(observer: Any) -> None:
    world = attrs.evolve(ToyWorld.countdown(8), tactic_s=0.5)
    tally = SearchTally(stage=Stage("searching", observer), total=1, clock=world.clock)
    found = await searched(4, world, tally)
    tally.ended(found)
    assert found.result is not None
    expanded = sorted((node.expansion, len(node.edges)) for node in found.result.nodes if node.expansion is not None)
    assert len(expanded) > 2
    calls = [sum(tried for _, tried in expanded[:number]) for number in range(len(expanded) + 1)]
    counts = [event.counts.splitlines()[0] for event in observer.events]
    assert [count.split(" · ")[3].split()[0] for count in counts] == [str(number) for number in calls]
    assert counts[0] == "proved 0 · not proved 0 · 1 node · 0 tactic calls"
    assert all(count.endswith(" · 2 calls/s") for count in counts[1:])
    statistics = found.result.statistics
    assert counts[-1].startswith(f"proved 1 · not proved 0 · {statistics.nodes} nodes · {statistics.tactic_calls} ")
    assert [event.done for event in observer.events] == [*[0] * len(expanded), 1]
