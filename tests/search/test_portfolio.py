from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Leaf, SearchOutcome, SearchResult
from leanebm.errors import PartBroken
from leanebm.search import BreadthFirst, CumulativeLogProb, DepthFirst, PortfolioSearch
from leanebm.testing import ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]


def expanded(result: SearchResult) -> list[str]:
    nodes = [node for node in result.nodes if node.expansion is not None]
    return [node.state.goals[0].target for node in sorted(nodes, key=lambda node: node.expansion or 0)]


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(PortfolioSearch)
    await check_search(functools.partial(PortfolioSearch, other=BreadthFirst()))


async def test_two_orders_take_turns(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"r": {"x": "a", "y": "b"}, "a": {"x": "a1"}, "a1": {"x": "a2"}, "a2": {}, "b": {"y": "b1"}})
    portfolio: Any = functools.partial(PortfolioSearch, other=BreadthFirst())
    both = await run_search(world, "r", scorer=DepthFirst(), search_class=portfolio)
    assert expanded(both) == ["r", "a", "a1", "b", "a2", "b1"]
    deep = await run_search(world, "r", scorer=DepthFirst())
    assert expanded(deep)[:4] == ["r", "a", "a1", "a2"]


async def test_the_budget_is_that_of_one_search(run_search: RunSearch) -> None:
    result = await run_search(ToyWorld.countdown(32), "31", search_class=PortfolioSearch, max_expansions=3)
    assert result.statistics.expansions == 3
    assert result.outcome is SearchOutcome.BUDGET_SPENT


@pytest.mark.parametrize("start", range(5, 30, 6))
async def test_paths_that_improve_are_found_in_both_queues(run_search: RunSearch, start: int) -> None:
    portfolio: Any = functools.partial(PortfolioSearch, other=DepthFirst())
    result = await run_search(
        ToyWorld.countdown(32), str(start), scorer=CumulativeLogProb(), search_class=portfolio, max_expansions=200
    )
    assert result.outcome is SearchOutcome.PROVED


async def test_a_second_scorer_that_answers_too_little_ends_the_search(run_search: RunSearch) -> None:
    class Silent:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:  # noqa: ARG002
            return []

    portfolio: Any = functools.partial(PortfolioSearch, other=Silent())
    with pytest.raises(PartBroken, match="Silent must give one finite number per leaf"):
        await run_search(ToyWorld.countdown(8), "5", search_class=portfolio)
