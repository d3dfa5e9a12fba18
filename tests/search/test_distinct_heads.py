from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from leanebm.core import Candidate, ProofState, SearchResult
from leanebm.search import DistinctHeadsSearch
from leanebm.search.distinct_heads import head_of
from leanebm.testing import ToyCertifier, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

WORLD = ToyWorld(moves={"r": {}})


class Talkative:
    """Likes ``simp``."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:  # noqa: ARG002
        tactics = ["simp", "simp [a]", "  simp\n  at h", "simp [b]", "rfl", "omega", "exact h", "exact k"]
        return [Candidate(tactic, -1.0 - i / 8) for i, tactic in enumerate(tactics)][:n]


def tried(result: SearchResult) -> list[str]:
    return [edge.tactic for node in result.nodes for edge in node.edges]


@pytest.mark.parametrize("settings", [{}, {"most": 1, "oversampling": 1}])
async def test_it_keeps_the_contract_of_a_search(settings: dict[str, int]) -> None:
    await check_search(functools.partial(DistinctHeadsSearch, **settings))


async def test_few_tactics_of_one_head_are_run_and_others_fill_up(run_search: RunSearch) -> None:
    run: Any = functools.partial(run_search, WORLD, "r", Talkative(), search_class=DistinctHeadsSearch)
    assert tried(await run(candidates_per_state=4)) == ["simp", "simp [a]", "rfl", "omega"]
    assert tried(await run(candidates_per_state=7))[-2:] == ["exact k", "  simp\n  at h"]


async def test_without_more_to_choose_from_only_the_order_is_another(run_search: RunSearch) -> None:
    arm: Any = functools.partial(DistinctHeadsSearch, most=1, oversampling=1)
    result = await run_search(WORLD, "r", Talkative(), search_class=arm, candidates_per_state=5)
    assert tried(result) == ["simp", "rfl", "simp [a]", "  simp\n  at h", "simp [b]"]


def test_a_head_is_the_first_word() -> None:
    assert [head_of(text) for text in ("simp [h]", " rfl", "intro\nx", "", "  ")] == ["simp", "rfl", "intro", "", ""]


def test_numbers_are_positive() -> None:
    for settings in ({"most": 0}, {"oversampling": 0}):
        with pytest.raises(ValueError, match="at least 1"):
            DistinctHeadsSearch(**settings, policy=Talkative(), environment=WORLD, certifier=ToyCertifier(WORLD))
