from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leanebm.core import ProofSearch, SearchResult
from leanebm.pipeline.parts import FAMILIES, find_factory
from leanebm.search import (
    AndOrSearch,
    BestFirstSearch,
    CheapFirstSearch,
    DepthFirstSearch,
    DistinctHeadsSearch,
    LimitsSearch,
    PortfolioSearch,
    ProbingSearch,
    PuctSearch,
    WholeProofSearch,
    stacked,
)
from leanebm.testing import QED, ScriptedPolicy, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]


def goes(*words: str) -> bool:
    try:
        find_factory(FAMILIES[ProofSearch], "+".join(words))
    except ValueError:
        return False
    return True


PAIRS = [pair for pair in itertools.permutations(sorted(FAMILIES[ProofSearch].built_in), 2) if goes(*pair)]


@pytest.mark.parametrize("pair", PAIRS, ids="+".join)
async def test_every_pair_keeps_the_contract_of_a_search(pair: tuple[str, str]) -> None:
    await check_search(find_factory(FAMILIES[ProofSearch], "+".join(pair)))


def test_what_changes_candidates_goes_around_everything_that_orders_states() -> None:
    for outer in ("cheap_first", "distinct_heads"):
        assert all(goes(outer, inner) for inner in ("and_or", "beam", "depth_first", "limits", "portfolio", "puct"))
    assert all(goes("probing", inner) for inner in ("beam", "limits", "portfolio", "puct", "cheap_first"))
    assert goes("limits", "probing", "whole_proofs")
    assert goes("probing", "cheap_first", "distinct_heads", "puct")


async def test_each_has_its_say(run_search: RunSearch) -> None:
    moves = {"r": {"have h": "h", "go": "i"}, "h": {"have h": "hh"}, "hh": {"rfl": QED}, "i": {"go": "j"}, "j": {}}
    world = ToyWorld(moves={**moves, "j": {"wrong": "i"}})
    policy = ScriptedPolicy.of({state: {"have h": 0.9, "go": 0.1} for state in moves})
    both = stacked(LimitsSearch, ProbingSearch)
    result = await run_search(world, "r", policy, search_class=both)
    assert [edge.tactic for edge in result.nodes[0].edges] == ["rfl", "assumption", "have h", "go"], "probes come first"
    assert result.certificate is not None

    def limited(**parts: Any) -> Any:
        return both(haves=0, probes=("rfl",), **parts)

    order = [
        node.state.key
        for node in sorted(
            (await run_search(world, "r", policy, search_class=limited)).nodes[:6],
            key=lambda node: 99 if node.expansion is None else node.expansion,
        )
    ]
    assert order[:3] == ["r", "i", "j"], "chains of have are put off"


def test_equal_calls_give_one_class_and_settings_go_where_they_belong() -> None:
    assert stacked(LimitsSearch, PuctSearch.__base__) is stacked(LimitsSearch, BestFirstSearch)
    world = ToyWorld.countdown(3)
    parts: Any = {"policy": ScriptedPolicy.over(world), "environment": world, "certifier": None}
    search: Any = stacked(CheapFirstSearch, DistinctHeadsSearch, PuctSearch)(most=3, c=0.5, **parts)
    assert (search.most, search.c) == (3, 0.5)


class Careless(BestFirstSearch):
    """Asks the policy by itself, whatever it is put around."""

    async def expand(self, progress: Any, node: Any) -> Any:  # noqa: ARG002
        return await self.policy.propose(node.state, 2)


@pytest.mark.parametrize(
    ("searches", "words"),
    [
        ((LimitsSearch, PuctSearch), r"LimitsSearch does not build on the select.*: leave one out"),
        ((PuctSearch, PortfolioSearch), "PuctSearch does not build on the select"),
        ((DistinctHeadsSearch, CheapFirstSearch), r"the expand\(\).*: put them the other way round"),
        ((Careless, DistinctHeadsSearch), "Careless does not build on the expand"),
        ((ProbingSearch, AndOrSearch), "AndOrSearch has a loop of its own, in which ProbingSearch"),
        ((DepthFirstSearch, WholeProofSearch), "DepthFirstSearch has a loop of its own, in which WholeProofSearch"),
        ((BestFirstSearch, PuctSearch), "cannot be one search"),
        ((ProbingSearch, ProbingSearch), "cannot be one search|does not build"),
        ((ProbingSearch, ToyWorld), "ToyWorld is not made of BestFirstSearch"),
    ],
)
def test_what_would_have_no_say_is_refused(searches: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stacked(*searches)
