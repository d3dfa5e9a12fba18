from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leanebm.core import NodeStatus, ProofState, SearchOutcome, SearchResult
from leanebm.search import DepthFirstSearch
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

MAZE = ToyWorld(
    moves={
        "r": {"1": "a", "2": "b", "3": "c"},
        "a": {"1": "a1", "2": "r"},
        "a1": {},
        "b": {"1": "a", "2": "b2"},
        "b2": {"1": QED},
        "c": {},
    }
)
IN_ORDER = ScriptedPolicy.of({state: {"1": 0.6, "2": 0.3, "3": 0.1} for state in MAZE.moves})


def tried(result: SearchResult) -> dict[str, list[str]]:
    return {node.state.key: [edge.tactic for edge in node.edges] for node in result.nodes if node.edges}


def bounded(**bounds: int) -> Any:
    return functools.partial(DepthFirstSearch, **bounds)


@pytest.mark.parametrize("bounds", [{}, {"max_depth": 2}, {"max_children": 1}])
async def test_it_keeps_the_contract_of_a_search(bounds: dict[str, int]) -> None:
    await check_search(bounded(**bounds))


async def test_the_first_tactic_that_works_is_followed_and_others_wait_until_it_failed(run_search: RunSearch) -> None:
    result = await run_search(MAZE, "r", IN_ORDER, search_class=DepthFirstSearch)
    assert result.certificate is not None
    assert result.certificate.tactics == ("2", "2", "1")
    assert tried(result) == {
        "r": ["1", "2"],  # the third was never needed
        "a": ["1", "2", "3"],
        "a1": ["1", "2", "3"],
        "b": ["1", "2"],
        "b2": ["1"],
    }
    assert "c" not in {node.state.key for node in result.nodes}


async def test_what_is_not_tried_is_not_called_exhausted(run_search: RunSearch) -> None:
    shallow = await run_search(MAZE, "r", IN_ORDER, search_class=bounded(max_depth=1))
    assert max(node.depth for node in shallow.nodes) == 1
    narrow = await run_search(MAZE, "r", IN_ORDER, search_class=bounded(max_children=1))
    assert [node.status for node in narrow.nodes if node.state.key == "r"] == [NodeStatus.PARTIAL]
    assert shallow.outcome is narrow.outcome is SearchOutcome.BUDGET_SPENT
    hopeless = ToyWorld(moves={**MAZE.moves, "b2": {}})
    assert (await run_search(hopeless, "r", IN_ORDER, search_class=DepthFirstSearch)).outcome is SearchOutcome.EXHAUSTED


async def test_with_no_expansion_left_the_tactics_that_wait_are_still_run(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"r": {"1": "a", "2": QED}, "a": {"1": "b"}, "b": {}})
    result = await run_search(world, "r", IN_ORDER, search_class=DepthFirstSearch, max_expansions=2)
    assert result.outcome is SearchOutcome.PROVED
    assert result.statistics.expansions == result.statistics.policy_calls == 2
    assert result.statistics.tactic_calls == 5


async def test_every_state_has_a_priority_and_an_energy(run_search: RunSearch) -> None:
    class Length:
        async def energies(self, states: list[ProofState]) -> list[float]:
            return [float(len(state.key)) for state in states]

    result = await run_search(MAZE, "r", IN_ORDER, energy=Length(), search_class=DepthFirstSearch)
    assert all((node.priority is None, node.energy is None) == (node.is_terminal,) * 2 for node in result.nodes)
    assert result.statistics.energy_calls == len(result.nodes) - 1


def test_bounds_are_positive() -> None:
    for bounds in ({"max_depth": 0}, {"max_children": 0}):
        with pytest.raises(ValueError, match="both bounds are at least 1"):
            bounded(**bounds)(policy=IN_ORDER, environment=MAZE, certifier=ToyCertifier(MAZE))


async def test_a_state_left_alone_for_its_depth_is_followed_where_it_is_met_nearer(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"r": {"1": "a", "2": "deep"}, "a": {"1": "b"}, "b": {"1": "deep"}, "deep": {"1": QED}})
    policy = ScriptedPolicy.of({state: {"1": 0.6, "2": 0.3} for state in world.moves})
    result = await run_search(world, "r", policy, search_class=bounded(max_depth=3))
    assert result.certificate is not None
    assert result.certificate.tactics == ("2", "1")
    assert not result.tree_problems()
