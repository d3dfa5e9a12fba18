from __future__ import annotations

import functools
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Leaf, Node, SearchOutcome, SearchResult
from leanebm.search import BeamSearch, SearchProgress
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

BUSHY = ToyWorld(
    moves={
        "r": {"1": "a", "2": "b", "3": "c"},
        "a": {"1": "a1", "2": "a2", "3": "a3"},
        "b": {"1": "b1", "2": "b2"},
        "c": {},
        "a1": {"1": "a11"},
        **{name: {} for name in ("a2", "a3", "b1", "b2", "a11")},
    }
)
LIKELY = ScriptedPolicy.of({state: {"1": 0.6, "2": 0.3, "3": 0.1} for state in BUSHY.moves})


def expanded(result: SearchResult) -> list[str]:
    nodes = [node for node in result.nodes if node.expansion is not None]
    return [node.state.key for node in sorted(nodes, key=lambda node: node.expansion or 0)]


def beam(width: int) -> Any:
    return functools.partial(BeamSearch, width=width)


@pytest.mark.parametrize("width", [1, 2, 16])
async def test_it_keeps_the_contract_of_a_search(width: int) -> None:
    await check_search(beam(width))


async def test_of_each_depth_the_best_go_on_and_what_was_passed_over_comes_when_the_beam_has_died(
    run_search: RunSearch,
) -> None:
    result = await run_search(BUSHY, "r", LIKELY, search_class=beam(2))
    assert expanded(result) == ["r", "a", "b", "a1", "a2", "a11", "c", "b1", "b2", "a3"]
    assert result.outcome is SearchOutcome.EXHAUSTED


async def test_a_beam_of_one_climbs(run_search: RunSearch) -> None:
    result = await run_search(BUSHY, "r", LIKELY, search_class=beam(1), max_expansions=4)
    assert expanded(result) == ["r", "a", "a1", "a11"]


async def test_a_wide_beam_is_breadth_first(run_search: RunSearch) -> None:
    depths = [len(name) for name in expanded(await run_search(BUSHY, "r", LIKELY, search_class=beam(99)))[1:]]
    assert depths == sorted(depths)


def test_no_beam_is_refused() -> None:
    world = ToyWorld.countdown(2)
    with pytest.raises(ValueError, match="at least 1 wide, not 0"):
        BeamSearch(width=0, policy=ScriptedPolicy.over(world), environment=world, certifier=ToyCertifier(world))


@pytest.mark.parametrize("seed", range(10))
async def test_places_are_counted_where_nodes_are_now(run_search: RunSearch, seed: int) -> None:
    """Paths change, nodes are dropped: what is taken is what a look at the whole tree would choose."""

    class Checked(BeamSearch):
        def select(self, progress: SearchProgress) -> Node:
            taken = Counter(node.depth for node in progress.tree.nodes if node.expansion is not None)
            expected = min(progress.frontier, key=lambda node: (taken[node.depth] // self.width, node.depth))
            assert super().select(progress) is expected
            return expected

    class Drawn:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            paths = [f"{seed} {leaf.state.key} {leaf.depth} {leaf.path_log_prob}" for leaf in leaves]
            return [random.Random(path).randrange(8) / 8 for path in paths]  # noqa: S311 - no secret

    world, bound = ToyWorld.seeded(seed, num_states=60), 5 if seed % 2 else None
    search: Any = functools.partial(Checked, width=2)
    result = await run_search(world, "s0", scorer=Drawn(), search_class=search, max_frontier=bound)
    assert result.error is None
