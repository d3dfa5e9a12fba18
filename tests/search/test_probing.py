from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from leanebm.core import NodeStatus, SearchOutcome, SearchResult
from leanebm.errors import PromptTooLong
from leanebm.search import ProbingSearch
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

WORLD = ToyWorld(moves={"r": {"go": "a"}, "a": {"rfl": QED}})


def probing(*probes: str, **settings: float) -> Any:
    return functools.partial(ProbingSearch, probes=probes, **settings)


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(ProbingSearch)
    await check_search(probing("done", "decrement"))


async def test_where_a_probe_ends_the_proof_the_policy_is_not_asked(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.of({"r": {"rfl": 0.5, "go": 0.5}})
    result = await run_search(WORLD, "r", policy, search_class=probing("rfl", "assumption"))
    assert result.outcome is SearchOutcome.PROVED
    assert policy.asked == ["r"]
    assert (result.statistics.expansions, result.statistics.policy_calls) == (2, 1)
    assert [edge.tactic for edge in result.nodes[0].edges] == ["rfl", "assumption", "go"], "no probe is run twice"
    assert result.nodes[1].status is NodeStatus.PARTIAL


async def test_a_probe_that_gets_on_makes_a_state_of_the_probability_given(run_search: RunSearch) -> None:
    result = await run_search(WORLD, "r", ScriptedPolicy.of({}), search_class=probing("go", "rfl", log_prob=-2.0))
    assert result.outcome is SearchOutcome.PROVED
    assert [node.path_log_prob for node in result.proof] == [0.0, -2.0, -4.0]


async def test_probes_count_against_the_budget(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.over(WORLD)
    result = await run_search(WORLD, "r", policy, search_class=probing("x", "y", "z"), max_tactic_calls=2)
    assert result.statistics.tactic_calls == 2
    assert policy.asked == []
    assert result.outcome is SearchOutcome.BUDGET_SPENT


async def test_probes_help_where_the_policy_cannot_be_asked(run_search: RunSearch) -> None:
    policy = ScriptedPolicy(script={"r": PromptTooLong("too long"), "a": PromptTooLong("too long")})
    assert (await run_search(WORLD, "r", policy, search_class=probing("go", "rfl"))).outcome is SearchOutcome.PROVED
    stuck = await run_search(WORLD, "r", policy, search_class=probing("go"))
    assert [node.status for node in stuck.nodes] == [NodeStatus.UNEXPANDABLE] * 2


def test_a_probability_is_at_most_one() -> None:
    with pytest.raises(ValueError, match="log_prob"):
        probing("rfl", log_prob=0.5)(policy=ScriptedPolicy.of({}), environment=WORLD, certifier=ToyCertifier(WORLD))


def test_no_probe_is_blank() -> None:
    with pytest.raises(ValueError, match="none of them blank"):
        probing("rfl", " ")(policy=ScriptedPolicy.of({}), environment=WORLD, certifier=ToyCertifier(WORLD))
