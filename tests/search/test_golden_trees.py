"""Searches of a seeded world, compared with what they were: the order of expansion and every priority.

A change that should not alter the search must leave the trees as they are. One that should alter it
regenerates them, and the difference is part of the change::

    python tests/search/test_golden_trees.py
"""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import (
    Candidate,
    ProofFinished,
    ProofState,
    SearchResult,
    StateScorer,
    TacticOutcome,
    Theorem,
)
from leanebm.search import (
    AndOrSearch,
    BeamSearch,
    BestFirstSearch,
    BreadthFirst,
    CheapFirstSearch,
    CumulativeLogProb,
    DepthFirstSearch,
    DistinctHeadsSearch,
    LengthNormalisedLogProb,
    LimitsSearch,
    PortfolioSearch,
    ProbingSearch,
    PuctSearch,
    SearchBudget,
    SearchConfig,
    SearchFactory,
    WeightedSum,
    WeightedTerm,
    WholeProofSearch,
)
from leanebm.testing import ManualClock, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld

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
SEARCHES: dict[str, SearchFactory] = {
    "and_or": AndOrSearch,
    "beam": functools.partial(BeamSearch, width=2),
    "cheap_first": CheapFirstSearch,
    "depth_first": functools.partial(DepthFirstSearch, max_depth=8, max_children=2),
    "distinct_heads": functools.partial(DistinctHeadsSearch, most=1, oversampling=2),
    "limits": functools.partial(LimitsSearch, unchanged=2, haves=1),
    "portfolio": functools.partial(PortfolioSearch, other=BreadthFirst()),
    "probing": functools.partial(ProbingSearch, probes=("halve", "t1")),
    "puct": PuctSearch,
    "whole_proofs": WholeProofSearch,
}
"""Each with the likeliest path first, where it asks a scorer."""


def spoken(seed: int) -> ToyWorld:
    """A seeded world whose tactics look like Lean's: several begin with one word, and some with ``have``."""
    names = ("have a", "have b", "simp a", "simp b", "simp c", "rw a")
    dice, moves = random.Random(seed), ToyWorld.seeded(seed, num_states=40, branching=6).moves  # noqa: S311 - no secret
    return ToyWorld(
        moves={
            state: dict(zip(dice.sample(names, 6), arrows.values(), strict=False)) for state, arrows in moves.items()
        }
    )


def speaker(world: ToyWorld) -> ScriptedPolicy:
    """Proposes a proof of three tactics, and then single ones."""
    dice = random.Random(5)  # noqa: S311 - no secret
    every = [tactic for arrows in world.moves.values() for tactic in arrows]
    proofs = {state: Candidate("\n".join(dice.choices(every, k=3)), -2.0) for state in world.moves}
    single: Any = ScriptedPolicy.over(world, seed=7).script
    return ScriptedPolicy(script={state: [proofs[state], *single[state]] for state in world.moves})


WORLDS = {
    "countdown": (ToyWorld.countdown(60), "53"),
    "seeded": (ToyWorld.seeded(3, num_states=40), "s0"),
    "goals": (
        ToyWorld(
            moves={
                **ToyWorld.countdown(12).moves,
                "all": {"split": "3 & some & 4", "wrong way": "8 & -1"},
                "some": {"left": "-3", "right": "2 & 5"},
            }
        ),
        "all",
    ),
    "spoken": (spoken(1), "s0"),
}
ONLY = {
    "goals": {"search_and_or"},
    "spoken": {"cumulative_log_prob", "search_distinct_heads", "search_limits", "search_whole_proofs"},
}
"""Worlds made for some searches, which go through the other worlds as best-first search does."""

ARMS = (*SCORERS, *(f"search_{name}" for name in SEARCHES))
OTHERS = set(ARMS) - ((ONLY["goals"] | ONLY["spoken"]) - {"cumulative_log_prob"})
CASES = [(world, arm) for world in WORLDS for arm in ARMS if arm in ONLY.get(world, OTHERS)]


class TogetherSession(ToySession):
    """A session that is given several tactics at once."""

    most = 0
    """Of all sessions."""

    async def run_tactics(
        self,
        state: ProofState,
        tactics: Sequence[str],
        *,
        goal: int = 0,
        within_s: float | None = None,  # noqa: ARG002 - no time passes
    ) -> AsyncGenerator[TacticOutcome, None]:
        """One by one, as the contract has it."""
        TogetherSession.most = max(TogetherSession.most, len(tactics))
        for tactic in tactics:
            outcome = await self.run_tactic(state, tactic, goal=goal)
            yield outcome
            if isinstance(outcome, ProofFinished):
                return


@attrs.frozen
class TogetherWorld:
    """The same world, by such sessions."""

    world: ToyWorld

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ToySession]:
        """Start a proof."""
        yield TogetherSession(self.world, theorem.statement or "", epoch=0)


async def search(world_name: str, arm: str, together: int = 1) -> SearchResult:
    """One search with nothing left to chance, not even time."""
    world, start = WORLDS[world_name]
    make: Any = SEARCHES.get(arm.removeprefix("search_"), BestFirstSearch)
    result: SearchResult = await make(
        policy=speaker(world) if world_name == "spoken" else ScriptedPolicy.over(world, seed=7),
        scorer=SCORERS.get(arm, CumulativeLogProb()),
        environment=world if together == 1 else TogetherWorld(world),
        certifier=ToyCertifier(world),
        config=SearchConfig(
            budget=SearchBudget(max_expansions=40),
            candidates_per_state=3 if world_name == "spoken" else 16,
            tactics_per_request=together,
        ),
        clock=ManualClock(step_s=0.001),
    ).run(Theorem(name=world_name, statement=start))
    return result


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


@pytest.mark.parametrize(("world", "arm"), CASES)
async def test_the_search_is_what_it_was(world: str, arm: str) -> None:
    golden = json.loads((GOLDEN / f"{world}-{arm}.json").read_text())
    actual = tree(await search(world, arm))
    # A logarithm may differ in its last bit from one C library to another; the order may not.
    assert _pop_priorities(actual) == pytest.approx(_pop_priorities(golden), rel=1e-12)
    assert actual == golden


@pytest.mark.parametrize("together", [2, 16])
@pytest.mark.parametrize(("world", "arm"), CASES)
async def test_a_search_is_the_same_where_lean_is_given_several_tactics(world: str, arm: str, together: int) -> None:
    TogetherSession.most = 0
    assert tree(await search(world, arm, together)) == tree(await search(world, arm))
    one_by_one = ("search_and_or", "search_depth_first", "search_whole_proofs")
    assert TogetherSession.most > 1 or arm in one_by_one


def _pop_priorities(one: dict[str, Any]) -> list[float]:
    return [node.pop("priority") for node in one["nodes"] if node["priority"] is not None]


@pytest.mark.parametrize("world", WORLDS)
def test_the_arms_search_differently(world: str) -> None:
    arms = [arm for its_world, arm in CASES if its_world == world]
    assert len({(GOLDEN / f"{world}-{arm}.json").read_text() for arm in arms}) == len(arms)


@pytest.mark.parametrize(("world", "arm"), CASES)
async def test_equal_seeds_give_equal_bytes(world: str, arm: str) -> None:
    first, second = [
        f"{json.dumps(tree(result))} {result.statistics} {[node.found_s for node in result.nodes]}".encode()
        for result in [await search(world, arm) for _ in range(2)]
    ]
    assert first == second


async def _regenerate() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for world, arm in CASES:
        golden = tree(await search(world, arm))
        nodes = ",\n".join(json.dumps(node, ensure_ascii=False) for node in golden.pop("nodes"))
        text = json.dumps(golden).removesuffix("}") + f', "nodes": [\n{nodes}\n]}}\n'
        (GOLDEN / f"{world}-{arm}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(_regenerate())
