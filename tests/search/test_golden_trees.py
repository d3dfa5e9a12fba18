"""Searches of a seeded world, compared with what they were: the order of expansion and every priority.

A change that should not alter the search must leave the trees as they are. One that should alter it
regenerates them, and the difference is part of the change::

    python tests/search/test_golden_trees.py
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import SearchResult, StateScorer, Theorem
from leanebm.search import (
    BestFirstSearch,
    BreadthFirst,
    CumulativeLogProb,
    LengthNormalisedLogProb,
    SearchBudget,
    SearchConfig,
    WeightedSum,
    WeightedTerm,
)
from leanebm.testing import ManualClock, ScriptedPolicy, ToyCertifier, ToyWorld

GOLDEN = Path(__file__).parent / "golden"

SCORERS: dict[str, StateScorer] = {
    "cumulative_log_prob": CumulativeLogProb(),
    "length_normalised": LengthNormalisedLogProb(alpha=0.5),
    "breadth_first": BreadthFirst(),
    "weighted_sum": WeightedSum(
        (
            WeightedTerm(scorer=LengthNormalisedLogProb(), scale=0.8),
            WeightedTerm(scorer=BreadthFirst(), weight=-0.3, centre=-4.0, scale=2.0),
        )
    ),
}
WORLDS = {"countdown": (ToyWorld.countdown(60), "53"), "seeded": (ToyWorld.seeded(3, num_states=40), "s0")}
CASES = [(world, scorer) for world in WORLDS for scorer in SCORERS]


async def search(world_name: str, scorer_name: str) -> SearchResult:
    """One search with nothing left to chance, not even time."""
    world, start = WORLDS[world_name]
    return await BestFirstSearch(
        policy=ScriptedPolicy.over(world, seed=7),
        scorer=SCORERS[scorer_name],
        environment=world,
        certifier=ToyCertifier(world),
        config=SearchConfig(budget=SearchBudget(max_expansions=40)),
        clock=ManualClock(step_s=0.001),
    ).run(Theorem(name=world_name, statement=start))


def tree(result: SearchResult) -> dict[str, Any]:
    """What a golden file holds."""
    return {
        "outcome": result.outcome.value,
        "proof": list(result.certificate.tactics) if result.certificate else None,
        "expanded": [
            node.index
            for node in sorted(result.nodes, key=lambda one: one.expansion or 0)
            if node.expansion is not None
        ],
        "nodes": [
            {
                "state": node.state.key,
                "parent": node.parent.index if node.parent else None,
                "tactic": node.tactic,
                "status": node.status.value,
                "priority": node.priority,
                "edges": [f"{edge.tactic} {edge.kind.value} {edge.target}" for edge in node.edges],
            }
            for node in result.nodes
        ],
    }


@pytest.mark.parametrize(("world", "scorer"), CASES)
async def test_the_search_is_what_it_was(world: str, scorer: str) -> None:
    golden = json.loads((GOLDEN / f"{world}-{scorer}.json").read_text())
    actual = tree(await search(world, scorer))
    # A logarithm may differ in its last bit from one C library to another; the order may not.
    assert _pop_priorities(actual) == pytest.approx(_pop_priorities(golden), rel=1e-12)
    assert actual == golden


def _pop_priorities(one: dict[str, Any]) -> list[float]:
    return [node.pop("priority") for node in one["nodes"] if node["priority"] is not None]


def test_the_scorers_search_differently() -> None:
    trees = {(GOLDEN / f"countdown-{scorer}.json").read_text() for scorer in SCORERS}
    assert len(trees) == len(SCORERS)


@pytest.mark.parametrize(("world", "scorer"), CASES)
async def test_equal_seeds_give_equal_bytes(world: str, scorer: str) -> None:
    first, second = [
        f"{json.dumps(tree(result))} {result.statistics} {[node.found_s for node in result.nodes]}".encode()
        for result in [await search(world, scorer) for _ in range(2)]
    ]
    assert first == second


async def _regenerate() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for world, scorer in CASES:
        golden = tree(await search(world, scorer))
        nodes = ",\n".join(json.dumps(node, ensure_ascii=False) for node in golden.pop("nodes"))
        text = json.dumps(golden).removesuffix("}") + f', "nodes": [\n{nodes}\n]}}\n'
        (GOLDEN / f"{world}-{scorer}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(_regenerate())
