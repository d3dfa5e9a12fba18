from __future__ import annotations

import functools
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Leaf, Node, ProofState, SearchOutcome, SearchResult
from leanebm.search import NegativeEnergy, PuctSearch, SearchProgress
from leanebm.search.puct import _Branches
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

TWINS = ToyWorld(
    moves={
        "r": {"x": "a", "y": "b"},
        **{f"{side}{'1' * depth}": {"x": f"{side}{'1' * (depth + 1)}"} for side in "ab" for depth in range(6)},
        **{f"{side}{'1' * 6}": {} for side in "ab"},
    }
)


def expanded(result: SearchResult) -> list[str]:
    nodes = [node for node in result.nodes if node.expansion is not None]
    return [node.state.key for node in sorted(nodes, key=lambda node: node.expansion or 0)]


def puct(c: float) -> Any:
    return functools.partial(PuctSearch, c=c)


class Worth:
    """A scorer and an energy model that know states by heart."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.values.get(leaf.state.key, 0.0) for leaf in leaves]

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [-self.values.get(state.key, 0.0) for state in states]


@pytest.mark.parametrize("c", [0.0, 1.25, 100.0])
async def test_it_keeps_the_contract_of_a_search(c: float) -> None:
    await check_search(puct(c))


async def test_by_priors_alone_visits_are_shared_out_in_their_proportion(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.of(
        {"r": {"x": 0.75, "y": 0.25}, **{name: {"x": 1.0} for name in TWINS.moves if name != "r"}}
    )
    result = await run_search(TWINS, "r", policy, scorer=Worth({}), search_class=PuctSearch, max_expansions=9)
    sides = [name[0] for name in expanded(result)[1:]]
    assert (sides.count("a"), sides.count("b")) == (6, 2)


async def test_the_formula_by_hand(run_search: RunSearch) -> None:
    """Two arms: after the root, ``a`` (Q = 1) against ``b`` (Q = 0), priors of one half, c = 1.25."""
    policy = ScriptedPolicy.of({name: {"x": 0.5, "y": 0.5} for name in TWINS.moves})
    worth = Worth({name: 1.0 for name in TWINS.moves if name.startswith("a")})
    result = await run_search(TWINS, "r", policy, scorer=worth, search_class=PuctSearch, max_expansions=8)
    expected, visits = list[str](), {"a": 0, "b": 0}
    while len(expected) < 7:
        root = math.sqrt(1 + len(expected))
        score = {side: q + 1.25 * 0.5 * root / (1 + visits[side]) for side, q in (("a", 1.0), ("b", 0.0))}
        best = max(score, key=lambda side: score[side])
        # The arm ends after seven states: then the other one is all that is open.
        visits[best] += 1
        expected.append(best)
    assert [name[0] for name in expanded(result)[1:]] == expected
    assert set(expected) == {"a", "b"}


async def test_the_energy_is_the_value_if_the_scorer_says_so(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.of({name: {"x": 0.9, "y": 0.1} for name in TWINS.moves})
    model = Worth({name: 1.0 for name in TWINS.moves if name.startswith("b")})
    found = await run_search(
        TWINS, "r", policy, scorer=NegativeEnergy(), energy=model, search_class=puct(0.1), max_expansions=5
    )
    assert expanded(found) == ["r", "b", "b1", "b11", "b111"]
    assert found.statistics.energy_calls == len(found.nodes)


async def test_a_dead_end_is_worth_nothing(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"r": {"1": "a", "2": "b"}, "a": {"1": "d", "2": "e"}, "b": {}, "d": {}, "e": {}})
    worth = Worth({"a": 1.0, "d": 1.0, "e": 1.0, "b": 0.6})
    result = await run_search(world, "r", scorer=worth, search_class=puct(0.0))
    assert [name for name in expanded(result) if name not in "de"] == ["r", "a", "b"]
    assert expanded(result)[3] == "b", "the mean of a and one dead end is 0.5"


async def test_everything_is_found_in_the_end(run_search: RunSearch) -> None:
    result = await run_search(TWINS, "r", search_class=PuctSearch)
    assert result.outcome is SearchOutcome.EXHAUSTED
    assert sorted(expanded(result)) == sorted(TWINS.moves)


@pytest.mark.parametrize("seed", range(10))
async def test_branches_are_what_the_whole_tree_says(run_search: RunSearch, seed: int) -> None:
    """Paths change, nodes are dropped: after each expansion, what is kept is what summing up anew would give."""
    checked = list[int]()

    class Checked(PuctSearch):
        def select(self, progress: SearchProgress) -> Node:
            kept, anew = self._branches.of(progress), _Branches(progress.tree, progress.frontier)
            for node in reversed(list(progress.tree.subtree(progress.tree.root))):
                anew.sum_up(node)
            if progress.tree.root.expansion is not None:
                assert {node: kept._of[node] for node in anew._of} == anew._of
                assert kept._ascending == sorted(kept._priorities.values()) == anew._ascending
            checked.append(len(progress.tree.nodes))
            return super().select(progress)

    class Drawn:
        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            paths = [f"{seed} {leaf.state.key} {leaf.depth} {leaf.path_log_prob}" for leaf in leaves]
            return [random.Random(path).randrange(8) / 8 for path in paths]  # noqa: S311 - no secret

    world = ToyWorld.seeded(seed, num_states=60)
    bound = 5 if seed % 2 else None
    result = await run_search(world, "s0", scorer=Drawn(), search_class=Checked, max_frontier=bound)
    assert result.error is None
    assert len(checked) == result.statistics.expansions


def test_exploration_is_finite_and_not_negative() -> None:
    world = ToyWorld.countdown(2)
    for c in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="at least 0"):
            PuctSearch(c=c, policy=ScriptedPolicy.over(world), environment=world, certifier=ToyCertifier(world))
