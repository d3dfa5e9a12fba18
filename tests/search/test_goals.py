"""Searches that work on any goal of a state, and hand in a tree."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from leanebm.core import (
    Candidate,
    Goal,
    Node,
    ProofCertifier,
    ProofEnvironment,
    ProofState,
    ProofStep,
    SearchOutcome,
    SearchResult,
    StateRef,
    TacticFate,
    TacticPolicy,
    Theorem,
)
from leanebm.search import Rival, SearchBudget, SearchProgress, SearchTree, conduct_search
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld

FORK = ToyWorld(
    moves={
        "a": {"fork": "b & c & d"},
        "b": {"end": QED},
        "c": {"split": "b & d"},
        "d": {"stop": "e", "go": "b"},
        "e": {},
    }
)


class GoalByGoal:
    """Proves each goal of a state for itself, depth first, with public names only: all of them must be proved
    (*and*), by any of the policy's tactics (*or*)."""

    def __init__(self, policy: TacticPolicy, environment: ProofEnvironment, certifier: ProofCertifier) -> None:
        self.policy = policy
        self.environment = environment
        self.certifier = certifier

    async def run(self, theorem: Theorem, budget: SearchBudget | None = None) -> SearchResult:
        return await conduct_search(theorem, self.environment, self._search, budget=budget or SearchBudget())

    async def _search(self, progress: SearchProgress) -> None:
        step = await self._prove(progress, progress.tree.root, 0)
        if step is not None:
            await progress.certify_proof([step], self.certifier)

    async def _prove(self, progress: SearchProgress, node: Node, goal: int) -> ProofStep | None:
        """A step that proves one goal of ``node``, with all that is below it."""
        if not progress.meter.allows_expansion:
            return None
        state, proof = node.state, None
        assert state.coupling[goal] not in (*state.coupling[:goal], *state.coupling[goal + 1 :])
        alone = state.only(goal, goal + 1)  # what the policy is to look at
        expansion = progress.begin_expansion(node)
        for candidate in await self.policy.propose(alone, 8):
            edge = await progress.run_tactic(expansion, candidate, goal=goal)
            if edge.target is not None and edge.kind is not TacticFate.CYCLIC and proof is None:
                proof = await self._and(progress, candidate, progress.tree.nodes[edge.target], len(state.goals) - 1)
        expansion.close()
        return proof

    async def _and(self, progress: SearchProgress, candidate: Candidate, made: Node, others: int) -> ProofStep | None:
        children = [await self._prove(progress, made, goal) for goal in range(len(made.state.goals) - others)]
        if None in children:
            return None
        return ProofStep(candidate.tactic, children=[[child] for child in children if child is not None])


def goal_by_goal(world: ToyWorld) -> GoalByGoal:
    return GoalByGoal(ScriptedPolicy.over(world), world, ToyCertifier(world))


async def test_a_search_proves_goals_apart_and_hands_in_a_tree() -> None:
    result = await goal_by_goal(FORK).run(Theorem(name="t", statement="a"))
    assert result.outcome is SearchOutcome.PROVED, result
    assert result.certificate is not None
    assert result.certificate.tactics == ("fork\n· end\n· split\n  · end\n  · go\n    · end\n· go\n  · end",)
    [goals, *_] = [{edge.goal for edge in node.edges} for node in result.nodes if len(node.state.goals) == 3]
    assert goals == {0, 1, 2}
    assert result.proof == (), "a tree is no path"
    assert (result.error, result.rejections) == (None, ())


async def test_a_goal_that_nothing_proves_is_no_proof_of_the_others() -> None:
    hopeless = ToyWorld(moves={**FORK.moves, "d": {"stop": "e"}})
    result = await goal_by_goal(hopeless).run(Theorem(name="t", statement="a"))
    assert result.certificate is None
    assert result.outcome is not SearchOutcome.PROVED
    assert all(edge.message or edge.target is not None for node in result.nodes for edge in node.edges)


async def test_a_tree_that_is_no_proof_is_rejected_and_the_search_goes_on() -> None:
    async def overconfident(progress: SearchProgress) -> None:
        for proof in (["fork"], [ProofStep("fork", children=(["end"], ["end"], ["end"]))]):
            assert not await progress.certify_proof(proof, ToyCertifier(FORK))

    result = await conduct_search(Theorem(name="t", statement="a"), FORK, overconfident, budget=SearchBudget())
    assert result.outcome is SearchOutcome.REJECTED
    assert [each.tactics for each in result.rejections] == [("fork",), ("fork\n· end\n· end\n· end",)]


class InTheMiddle:
    """Takes the goals of every state from the middle outwards; its proof is a path."""

    async def _search(self, progress: SearchProgress) -> None:
        node, moves = progress.tree.root, {"a": "fork", "b": "end", "c": "split", "d": "go"}
        while not node.is_terminal:
            goal = len(node.state.goals) // 2
            expansion = progress.begin_expansion(node)
            tactic = moves[node.state.goals[goal].target]
            edge = await progress.run_tactic(expansion, Candidate(tactic, -0.5), goal=goal)
            expansion.close()
            assert edge.target is not None
            node = progress.tree.nodes[edge.target]
        await progress.certify(node, ToyCertifier(FORK))

    async def run(self, theorem: Theorem) -> SearchResult:
        return await conduct_search(theorem, FORK, self._search, budget=SearchBudget())


async def test_a_path_over_any_goals_is_certified_as_it_went() -> None:
    result = await InTheMiddle().run(Theorem(name="t", statement="a"))
    assert result.outcome is SearchOutcome.PROVED, result.rejections
    assert result.proof[-1].steps[:3] == ("fork", ProofStep("split", goal=1), ProofStep("go", goal=2))
    assert result.certificate is not None
    assert result.certificate.tactics == result.proof[-1].tactics
    assert result.proof[-1].tactics[:2] == ("fork", "rotate_left 1\nsplit")
    assert [node.goal for node in result.proof[:4]] == [0, 0, 1, 2]


async def test_no_goal_is_the_searchs_mistake() -> None:
    async def lost(progress: SearchProgress) -> None:
        await progress.run_tactic(progress.begin_expansion(progress.tree.root), Candidate("fork", 0.0), goal=1)

    with pytest.raises(ValueError, match="there is no goal 1"):
        await conduct_search(Theorem(name="t", statement="a"), FORK, lost, budget=SearchBudget())


def test_a_better_path_brings_its_goal_along() -> None:
    def state(*names: str) -> ProofState:
        goals = tuple(Goal(text=f"⊢ {name}", target=name) for name in names)
        return ProofState(goals=goals, key=" & ".join(names), ref=StateRef(0, hash(names)))

    def grow(parent: Node, names: Sequence[str], tactic: str, goal: int) -> Node:
        return tree.grow(parent, Candidate(tactic, -1.0), state(*names), goal=goal, found_s=0.0, tactic_s=0.0)

    tree = SearchTree.planted(state("r", "s"))
    node = grow(tree.root, "ab", "t", 1)
    other = grow(tree.root, "xy", "u", 0)
    assert list(node.steps) == [ProofStep("t", goal=1)]
    tree.move(Rival(node, other, Candidate("v", -0.5), goal=1))
    assert list(node.steps) == ["u", ProofStep("v", goal=1)]
    tree.move(Rival(node, tree.root, Candidate("w", -0.5)))
    assert list(node.steps) == list(node.tactics) == ["w"]
