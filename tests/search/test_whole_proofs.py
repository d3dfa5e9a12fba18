from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import attrs
import pytest

from leanebm.core import Candidate, Leaf, NodeStatus, ProofState, SearchOutcome, SearchResult
from leanebm.search import BestFirstSearch, WholeProofSearch
from leanebm.search.whole_proofs import _tactics_of
from leanebm.testing import QED, ScriptedPolicy, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

WORLD = ToyWorld(
    moves={"a": {"x": "b", "z": "a2"}, "a2": {}, "b": {"x": "c"}, "c": {"x": "d", "w": "b"}, "d": {"end": QED}}
)


def script(**proofs: Sequence[str]) -> ScriptedPolicy:
    return ScriptedPolicy(script={state: [Candidate(text, -1.2) for text in texts] for state, texts in proofs.items()})


def tried(result: SearchResult) -> dict[str, list[str]]:
    return {node.state.key: [edge.tactic for edge in node.edges] for node in result.nodes if node.edges}


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(WholeProofSearch)


async def test_a_whole_proof_is_one_question(run_search: RunSearch) -> None:
    result = await run_search(WORLD, "a", script(a=["x\nx\nx\nend"]), search_class=WholeProofSearch)
    assert result.certificate is not None
    assert result.certificate.tactics == ("x", "x", "x", "end")
    assert (result.statistics.expansions, result.statistics.policy_calls, result.statistics.tactic_calls) == (1, 1, 4)
    assert result.proof[-1].path_log_prob == pytest.approx(-1.2)
    assert not result.tree_problems()


async def test_a_proof_that_fails_is_gone_on_with_where_it_failed(run_search: RunSearch) -> None:
    policy = script(a=["x\nx\nwrong\nend", "x\nx\nx\nwrong"], d=["end"])
    result = await run_search(WORLD, "a", policy, search_class=WholeProofSearch)
    assert result.outcome is SearchOutcome.PROVED
    assert tried(result) == {"a": ["x"], "b": ["x"], "c": ["wrong", "x"], "d": ["wrong", "end"]}
    assert result.statistics.tactic_calls == 6, "what proofs share is one path of the tree, and is run once"


async def test_a_replay_ends_where_lean_has_forgotten_the_state(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "z": "a2"}, "a2": {"y": "b"}, "b": {"x": "c"}, "c": {"end": QED}})
    policy = script(a=["x", "z"], b=["wrong"], a2=["y\nx\nend"])
    result = await run_search(world, "a", policy, search_class=WholeProofSearch)
    assert tried(result) == {"a": ["x", "z"], "b": ["wrong"], "a2": ["y"]}
    assert result.error is None


async def test_each_tactic_counts_against_the_budget(run_search: RunSearch) -> None:
    policy = script(a=["x\nx\nx\nend"])
    result = await run_search(WORLD, "a", policy, search_class=WholeProofSearch, max_tactic_calls=3)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert result.statistics.tactic_calls == 3
    assert result.nodes[0].status is NodeStatus.PARTIAL


async def test_of_single_tactics_it_makes_what_best_first_search_makes(run_search: RunSearch) -> None:
    world = ToyWorld.countdown(32)
    both = [await run_search(world, "29", search_class=each) for each in (WholeProofSearch, BestFirstSearch)]
    assert both[0].nodes[-1].state.key == both[1].nodes[-1].state.key
    assert both[0].statistics == both[1].statistics


async def test_states_on_the_way_have_energies_and_priorities(run_search: RunSearch) -> None:
    class Flat:
        async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
            return [1.0] * len(states)

    policy = script(a=["x\nx\nwrong"])
    result = await run_search(WORLD, "a", policy, energy=Flat(), search_class=WholeProofSearch, max_expansions=1)
    assert [(node.state.key, node.energy, node.status) for node in result.nodes[1:]] == [
        ("b", 1.0, NodeStatus.OPEN),
        ("c", 1.0, NodeStatus.OPEN),
    ]


@attrs.frozen
class Shuffled:
    """Scores leaves as a draw from their paths tells it to, so that any path may be preferred to any other."""

    seed: int

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        paths = [f"{self.seed} {leaf.state.key} {leaf.depth} {leaf.path_log_prob}" for leaf in leaves]
        return [random.Random(path).random() for path in paths]  # noqa: S311 - no secret


@pytest.mark.parametrize("seed", range(12))
async def test_paths_that_lead_to_each_other_make_no_cycle(run_search: RunSearch, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - no secret
    ring = [f"s{i}" for i in range(8)]
    world = ToyWorld(moves={name: {f"t{j}": rng.choice(ring) for j in range(4)} for name in ring})
    proofs = {name: ["\n".join(rng.choices(["t0", "t1", "t2", "t3"], k=5)) for _ in range(8)] for name in ring}
    result = await run_search(world, "s0", script(**proofs), scorer=Shuffled(seed), search_class=WholeProofSearch)
    assert result.error is None
    assert not result.tree_problems()


@pytest.mark.parametrize(
    ("text", "tactics"),
    [
        ("simp", ["simp"]),
        ("intro x\n  y\nrfl", ["intro x\n  y", "rfl"]),
        ("  intro x\n  rfl\n", ["intro x", "rfl"]),
        (
            "cases h with\n| inl a => rfl\n| inr b => rfl\nomega",
            ["cases h with\n| inl a => rfl\n| inr b => rfl", "omega"],
        ),
        ("constructor\n· rfl\n\n· simp\n  <;> rfl", ["constructor", "· rfl", "· simp\n  <;> rfl"]),
        ("constructor\n<;> rfl", ["constructor\n<;> rfl"]),
        ("if h : p then\n  simp\nelse\n  rfl", ["if h : p then\n  simp\nelse\n  rfl"]),
        ("-- first\nintro x\n/- then -/ -- that\nrfl -- done\n-- end", ["intro x", "rfl -- done"]),
        ("-- only\nrfl", ["-- only\nrfl"]),
        ("intro x\n" + "-" * 80 + "\n  rfl", ["intro x", "-" * 80 + "\n  rfl"]),  # divided, it would take years
        ("intro x\n-- a /- b\n  c -/", ["intro x", "-- a /- b\n  c -/"]),
    ],
)
def test_a_proof_is_cut_where_a_tactic_begins(text: str, tactics: list[str]) -> None:
    assert [part.tactic.strip() for part in _tactics_of(Candidate(text, -1.0))] == tactics


def test_many_line_breaks_are_read_once() -> None:
    breaks = "\n" * 50_000
    assert [part.tactic for part in _tactics_of(Candidate(f"intro x{breaks}simp", -1.0))] == ["intro x", "simp"]
    assert [part.tactic for part in _tactics_of(Candidate(f"intro x{breaks} simp", -1.0))] == [f"intro x{breaks} simp"]
