"""Goals proved apart, goals that hang together, and what of it is certified."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from leanebm.core import (
    Candidate,
    NodeStatus,
    ProofState,
    SearchOutcome,
    SearchResult,
    TacticOutcome,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import PromptTooLong
from leanebm.lean import Certifier, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.search import AndOrSearch, BestFirstSearch, LengthNormalisedLogProb, SearchBudget, SearchConfig
from leanebm.search.and_or import _Graph, _Task
from leanebm.search.scorers import DepthFirst
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToySession, ToyWorld, check_search

RunSearch = Callable[..., Awaitable[SearchResult]]

FORK = ToyWorld(
    moves={
        "a": {"fork": "b & c & d"},
        "b": {"end": QED},
        "c": {"split": "b & d"},
        "d": {"stop": "e", "go": "b"},
        "e": {},
    }
)


def asked(policy: TacticPolicy) -> list[str]:
    assert isinstance(policy, ScriptedPolicy)
    return policy.asked


async def test_it_keeps_the_contract_of_a_search() -> None:
    await check_search(AndOrSearch)


async def test_goals_are_proved_apart_and_the_proof_is_a_tree(run_search: RunSearch) -> None:
    result = await run_search(FORK, "a", search_class=AndOrSearch)
    assert result.outcome is SearchOutcome.PROVED
    assert result.certificate is not None
    assert result.certificate.tactics[0].startswith("fork\n· end\n· split\n  · end\n")
    assert result.proof == (), "a tree is no path"
    assert not result.tree_problems()


async def test_a_hopeless_goal_is_found_out_before_its_neighbour_is_proved(run_search: RunSearch) -> None:
    chain = {f"long{i}": {"1": f"long{i + 1}"} for i in range(6)} | {"long6": {"1": QED}}
    moves = {"a": {"1": "long0 & hopeless", "2": "ok"}, "ok": {"1": QED}, "hopeless": {}, **chain}
    policy = ScriptedPolicy.of({goal: {"1": 0.95, "2": 0.05} for goal in moves})
    arms: Any = (AndOrSearch, BestFirstSearch)
    apart, together = [await run_search(ToyWorld(moves=moves), "a", policy, search_class=arm) for arm in arms]
    assert apart.outcome is together.outcome is SearchOutcome.PROVED
    assert (apart.statistics.expansions, together.statistics.expansions) == (4, 10)


async def test_without_several_goals_it_is_best_first_search(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"x": "b", "y": "c"}, "b": {"x": "d"}, "c": {"x": "e"}, "d": {}, "e": {"x": QED}})
    apart, together = [await run_search(world, "a", search_class=each) for each in (AndOrSearch, BestFirstSearch)]
    assert attrs.asdict(apart.statistics) == attrs.asdict(together.statistics)
    assert [node.expansion for node in apart.nodes] == [node.expansion for node in together.nodes]
    assert [node.state.key for node in apart.proof] == [node.state.key for node in together.proof] != []
    assert [node.status for node in apart.nodes] == [node.status for node in together.nodes]


@pytest.mark.parametrize("seed", range(12))
async def test_where_paths_meet_the_better_one_counts_as_in_best_first_search(run_search: RunSearch, seed: int) -> None:
    world = ToyWorld.seeded(seed, num_states=60)
    arms: Any = (AndOrSearch, BestFirstSearch)
    apart, together = [
        await run_search(world, "s0", search_class=arm, scorer=LengthNormalisedLogProb()) for arm in arms
    ]
    first, second = [
        [(node.state.key, node.expansion, node.priority, node.depth, node.status) for node in result.nodes]
        for result in (apart, together)
    ]
    assert first == second
    assert not apart.tree_problems()


async def test_neighbours_of_a_hopeless_goal_are_left_alone(run_search: RunSearch) -> None:
    world = ToyWorld(
        moves={
            "a": {"1": "hopeless & long"},
            "hopeless": {"1": "hopeless'"},
            "hopeless'": {},
            "long": {"1": "long'"},
            "long'": {"1": "long''"},
            "long''": {},
        }
    )
    policy = ScriptedPolicy.of({goal: {"1": 0.9 if goal.startswith("h") else 0.1} for goal in world.moves})
    result = await run_search(world, "a", policy, search_class=AndOrSearch)
    assert asked(policy) == ["a", "hopeless", "long", "hopeless'"]
    assert result.outcome is SearchOutcome.BUDGET_SPENT, "not everything was tried"


async def test_a_tree_that_is_rejected_costs_its_last_tactic_only(run_search: RunSearch) -> None:
    moves = {"a": {"fork": "b & c"}, "b": {"end": QED}, "c": {"cheat": QED, "slow": "d"}, "d": {"end": QED}}
    world = ToyWorld(moves=moves, cheats=frozenset({("c", "cheat")}))
    policy = ScriptedPolicy.of({goal: dict.fromkeys(arrows, 0.5) for goal, arrows in moves.items()})
    result = await run_search(world, "a", policy, search_class=AndOrSearch)
    assert len(result.rejections) == 1
    assert result.certificate is not None
    assert result.certificate.tactics == ("fork\n· end", "slow", "end")
    hopeless = ToyWorld(moves={**moves, "d": {}}, cheats=world.cheats)
    policy = ScriptedPolicy.of({goal: dict.fromkeys(arrows, 0.5) for goal, arrows in moves.items()})
    assert (await run_search(hopeless, "a", policy, search_class=AndOrSearch)).outcome is SearchOutcome.REJECTED


async def test_tasks_have_energies_of_their_own(run_search: RunSearch) -> None:
    class Seen:
        def __init__(self) -> None:
            self.texts: list[str] = []

        async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
            self.texts += [state.text for state in states]
            return [float(len(state.text)) for state in states]

    model = Seen()
    result = await run_search(FORK, "a", energy=model, search_class=AndOrSearch)
    assert sorted(set(model.texts)) == ["⊢ a", "⊢ b", "⊢ c", "⊢ d", "⊢ e"]
    assert result.statistics.energy_calls == len(model.texts)


@pytest.mark.parametrize("seed", range(12))
async def test_the_next_task_is_the_best_that_the_root_may_need(
    run_search: RunSearch, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """What is popped from the queue is what a walk down from the root would choose."""
    taken, take = list[bool](), _Graph.take_best

    def walked(graph: _Graph) -> _Task | None:
        found, waiting = [graph.root], [graph.root]
        while waiting:
            needed = (part for way in waiting.pop().ways for part in way.parts if part.proved_by is None)
            for part in needed:
                if part not in found:
                    found.append(part)
                    waiting.append(part)
        tasks = [task for task in found if task.is_open]
        return max(tasks, key=lambda task: (task.priority, -task.node.index, -task.start), default=None)

    def checked(graph: _Graph) -> _Task | None:
        expected, found = walked(graph), take(graph)
        assert found is expected
        taken.append(bool(graph._put_aside))
        return found

    monkeypatch.setattr(_Graph, "take_best", checked)
    dice = random.Random(seed)  # noqa: S311 - no secret
    names = [f"s{i}" for i in range(30)]
    moves = {
        name: {f"t{j}": dice.choice([*names, QED, " & ".join(dice.choices(names, k=3))]) for j in range(3)}
        for name in names
    }
    cheats = frozenset((name, tactic) for name in names for tactic in moves[name] if moves[name][tactic] == QED)
    world = ToyWorld(moves=moves, cheats=cheats)
    result = await run_search(world, "s0", search_class=AndOrSearch, max_expansions=80)
    assert result.error is None
    assert len(taken) >= result.statistics.expansions


async def test_a_task_that_is_needed_again_gets_its_turn(run_search: RunSearch) -> None:
    """``p`` was not needed when its turn came, since ``b`` was proved without it; then ``e`` leads to it."""
    moves = {
        "a": {"1": "b & c", "2": "e"},
        "b": {"1": "p", "2": QED},
        "c": {"1": "c'"},
        "c'": {"1": "c''"},
        "e": {"1": "p & c"},
    }
    policy = ScriptedPolicy.of({goal: {"1": 0.9, "2": 0.1} for goal in moves})
    world = ToyWorld(moves={"c''": {}, "p": {}, **moves})
    await run_search(world, "a", policy, search_class=AndOrSearch)
    assert policy.asked == ["a", "b", "c", "c'", "c''", "e", "p"]


async def test_a_goal_too_long_for_the_policy_is_given_up(run_search: RunSearch) -> None:
    policy = ScriptedPolicy(script={**ScriptedPolicy.over(FORK).script, "d": PromptTooLong("too long")})
    result = await run_search(FORK, "a", policy, search_class=AndOrSearch)
    assert result.outcome is SearchOutcome.BUDGET_SPENT
    assert NodeStatus.UNEXPANDABLE in {node.status for node in result.nodes}


async def test_a_proof_may_be_longer_than_pythons_stack_is_deep(run_search: RunSearch) -> None:
    chain = {f"n{i}": {"1": f"n{i + 1}"} for i in range(700)} | {"n700": {"1": QED}}
    world = ToyWorld(moves={"a": {"1": "b & n0"}, "b": {"1": QED}, **chain})
    policy = ScriptedPolicy.of({goal: {"1": 0.9} for goal in world.moves})
    result = await run_search(world, "a", policy, search_class=AndOrSearch, max_expansions=800)
    assert result.certificate is not None
    assert len(result.certificate.tactics) == 702


async def test_a_node_keeps_its_first_place_in_the_order_of_expansion(run_search: RunSearch) -> None:
    world = ToyWorld(moves={"a": {"1": "b & c"}, "b": {"1": "b1"}, "b1": {"1": QED}, "c": {"1": "c1"}, "c1": {}})
    policy = ScriptedPolicy.over(world)
    result = await run_search(world, "a", policy, scorer=DepthFirst(), search_class=AndOrSearch)
    assert asked(policy) == ["a", "b", "b1", "c", "c1"], "a node is expanded before and after one below it"
    assert [(node.state.key, node.expansion) for node in result.nodes] == [
        ("a", 0),
        ("b & c", 1),
        ("b1 & c", 2),
        ("c", None),
        ("c1 & b", 4),
    ]
    assert result.statistics.expansions == 5


# --- goals that hang together -----------------------------------------------------------------


@attrs.frozen
class Coupled:
    """A toy world of which all goals of a state share a metavariable, or of those only that one tactic leads to."""

    world: ToyWorld
    by: str | None = None

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[_CoupledSession]:
        async with self.world.open(theorem) as session:
            yield _CoupledSession(session, self.by)


@attrs.frozen
class _CoupledSession:
    session: ToySession
    by: str | None

    @property
    def root(self) -> ProofState:
        return self.session.root

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        outcome: Any = await self.session.run_tactic(state, tactic, goal=goal)
        if not hasattr(outcome, "state") or self.by not in (None, tactic):
            return outcome  # type: ignore[no-any-return]
        coupling = (0,) * len(outcome.state.goals)
        return attrs.evolve(outcome, state=attrs.evolve(outcome.state, coupling=coupling))  # type: ignore[no-any-return]

    async def free(self, states: Sequence[ProofState]) -> None:
        await self.session.free(states)


async def test_coupled_goals_stay_together_and_their_proof_is_a_path() -> None:
    policy = ScriptedPolicy.over(FORK)
    result = await AndOrSearch(
        policy=policy, environment=Coupled(FORK), certifier=ToyCertifier(FORK), config=SearchConfig()
    ).run("a")
    assert result.outcome is SearchOutcome.PROVED
    assert len(result.proof) > 3, "the proof is a path"
    assert {edge.goal for node in result.nodes for edge in node.edges} == {0}


async def test_a_tactic_that_ties_its_goal_to_another_leads_nowhere() -> None:
    """``tie`` leaves the other goal's text as it is, and a metavariable in both."""
    world = ToyWorld(moves={"a": {"fork": "b & c"}, "b": {"tie": "d"}, "c": {"end": QED}, "d": {"end": QED}})
    policy = ScriptedPolicy.over(world)
    result = await AndOrSearch(policy=policy, environment=Coupled(world, by="tie"), certifier=ToyCertifier(world)).run(
        "a"
    )
    assert result.certificate is None
    assert policy.asked[0] == "a"
    assert "d" not in policy.asked


@pytest.mark.parametrize(("goals", "further"), [("b & b & c", "end"), ("b & c", "go")])
async def test_a_tactic_that_reaches_beyond_its_goal_leads_nowhere(goals: str, further: str) -> None:
    @attrs.frozen
    class Reaching(Coupled):
        """``end`` also closes or changes the goal behind its own, which shares nothing with it."""

        @asynccontextmanager
        async def open(self, theorem: Theorem) -> AsyncIterator[Any]:
            async with self.world.open(theorem) as session:
                inner = session.run_tactic

                async def run_tactic(state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
                    outcome = await inner(state, tactic, goal=goal)
                    if tactic == "end" and len(state.goals) > 1:
                        outcome = await inner(outcome.state, further)  # type: ignore[union-attr]
                    return outcome

                session.run_tactic = run_tactic  # type: ignore[method-assign]
                yield session

    world = ToyWorld(moves={"a": {"fork": goals}, "b": {"end": QED}, "c": {"go": "d"}, "d": {"end": QED}})
    policy = ScriptedPolicy.of({goal: dict.fromkeys(moves, 0.5) for goal, moves in world.moves.items()})
    search = AndOrSearch(policy=policy, environment=Reaching(world), certifier=ToyCertifier(world))
    result = await search.run("a")
    assert result.certificate is None
    assert not result.rejections, "no proof was even put together"
    assert policy.asked == ["a", "b"], "the goal is given up, and with it the others"


# --- real Lean --------------------------------------------------------------------------------


class Fixed:
    """Proposes the same few tactics everywhere."""

    def __init__(self, *tactics: str) -> None:
        self.tactics = tactics
        self.shown: list[str] = []

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        self.shown.append(state.text)
        return [Candidate(tactic, -1.0 - i / 8) for i, tactic in enumerate(self.tactics)][:n]


async def prove(pool: LeanPool, statement: str, *tactics: str) -> tuple[SearchResult, Fixed]:
    policy = Fixed(*tactics)
    async with Certifier(LeanPoolConfig.embedded()) as certifier:
        search = AndOrSearch(
            policy=policy,
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
            config=SearchConfig(budget=SearchBudget(max_expansions=40)),
        )
        return await search.run(statement), policy


@pytest.mark.lean
async def test_lean_certifies_the_tree(lean_pool: LeanPool) -> None:
    tactics = ("intro n", "constructor", "rfl", "exact Nat.add_comm n 1", "exact Nat.le_refl n")
    result, policy = await prove(lean_pool, "∀ n : Nat, (n + 0 = n ∧ n + 1 = 1 + n) ∧ n ≤ n", *tactics)
    assert result.certificate is not None, result
    assert "· constructor" in result.certificate.source
    assert all(text.count("⊢") == 1 for text in policy.shown), "each goal was shown alone"


@pytest.mark.lean
async def test_lean_couples_a_witness_with_what_it_is_to_witness(lean_pool: LeanPool) -> None:
    tactics = ("constructor", "refine ⟨_, ?_⟩", "apply Exists.intro", "exact rfl", "exact trivial")
    result, policy = await prove(lean_pool, "(∃ n : Nat, n + 2 = 5) ∧ True", *tactics)
    assert result.certificate is not None, result
    assert any("?left.w + 2 = 5" in text and "⊢ Nat" in text for text in policy.shown), policy.shown
    assert not any("?left.w" in text and "True" in text for text in policy.shown)
