from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leanebm.core import Leaf, SearchOutcome, SearchResult, StateScorer
from leanebm.search import BreadthFirst, CumulativeLogProb, LengthNormalisedLogProb
from leanebm.testing import QED, TIMEOUT, ScriptedPolicy, ToyWorld

RunSearch = Callable[..., Awaitable[SearchResult]]

scorers: st.SearchStrategy[StateScorer] = st.sampled_from(
    [CumulativeLogProb(), LengthNormalisedLogProb(0.5), LengthNormalisedLogProb(2.0), BreadthFirst()]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    seed=st.integers(0, 10**6),
    num_states=st.integers(2, 25),
    scorer=scorers,
    max_expansions=st.integers(1, 40),
    max_frontier=st.none() | st.integers(1, 6),
    cheats=st.sets(st.tuples(st.sampled_from([f"s{i}" for i in range(25)]), st.sampled_from(["t0", "t1", "finish"]))),
)
def test_on_any_graph_the_tree_is_a_tree_and_every_path_in_it_is_real(
    run_search: RunSearch,
    seed: int,
    num_states: int,
    scorer: StateScorer,
    max_expansions: int,
    max_frontier: int | None,
    cheats: set[tuple[str, str]],
) -> None:
    graph = ToyWorld.seeded(seed, num_states=num_states)
    world = ToyWorld(moves=graph.moves, cheats=frozenset(cheats))
    policy = ScriptedPolicy.over(world, seed=seed)

    result: SearchResult = asyncio.run(
        run_search(world, "s0", policy, scorer=scorer, max_expansions=max_expansions, max_frontier=max_frontier)  # type: ignore[arg-type]
    )

    root = result.nodes[0]
    assert root.parent is None
    for node in result.nodes:
        assert len(list(node.lineage)) == node.depth + 1, "every path ends at the root"
        assert world.replay("s0", node.tactics) == node.state.key, "every path is real"
        if node.parent is not None:
            assert node.path_log_prob == node.parent.path_log_prob + node.log_prob
    _check_priorities(result, scorer)
    _check_outcome(result, world, is_whole=max_expansions > num_states and max_frontier is None)


def _check_priorities(result: SearchResult, scorer: StateScorer) -> None:
    """Each priority is what the scorer says of the path that the node ended up with."""
    scored = [node for node in result.nodes if node.priority is not None]
    expected = asyncio.run(_score(scorer, [node.leaf(result.theorem) for node in scored]))
    assert [node.priority for node in scored] == expected


async def _score(scorer: StateScorer, leaves: Sequence[Leaf]) -> list[float]:
    return list(await scorer.score(leaves))


def _check_outcome(result: SearchResult, world: ToyWorld, *, is_whole: bool) -> None:
    """A search that was not cut off proves what can be proved, unless a cheat stood in its way."""
    reachable, honest = (_can_finish(world, avoiding) for avoiding in (frozenset(), world.cheats))
    proved = result.outcome is SearchOutcome.PROVED
    assert proved == (result.certificate is not None)
    assert not (proved and not honest)
    if is_whole and not result.rejections:
        assert result.outcome is (SearchOutcome.PROVED if reachable else SearchOutcome.EXHAUSTED)
    if is_whole and not reachable:
        assert {node.state.key for node in result.nodes} == _reachable(world, frozenset())


def _reachable(world: ToyWorld, avoiding: frozenset[tuple[str, str]]) -> set[str]:
    found, waiting = {"s0"}, ["s0"]
    while waiting:
        name = waiting.pop()
        for tactic, target in world.moves.get(name, {}).items():
            if target not in {*found, TIMEOUT} and (name, tactic) not in avoiding:
                found.add(target)
                waiting.append(target)
    return found


def _can_finish(world: ToyWorld, avoiding: frozenset[tuple[str, str]]) -> bool:
    return QED in _reachable(world, avoiding)
