from __future__ import annotations

import attrs

from leanebm.core import Goal, Node, ProofState, ProofStep, StateRef, Theorem


def state(*names: str) -> ProofState:
    goals = tuple(Goal(text=f"⊢ {name}", target=name) for name in names)
    return ProofState(goals=goals, key=" & ".join(names), ref=StateRef(0, len(names)))


ROOT = Node(index=0, state=state("a"))
SPLIT = Node(index=1, state=state("b", "c"), parent=ROOT, tactic="split", log_prob=-1.0, path_log_prob=-1.0, depth=1)
LAST = Node(index=2, state=state("b"), parent=SPLIT, tactic="  end", goal=1, log_prob=-0.5, path_log_prob=-1.5, depth=2)


def test_a_path_is_a_proof_that_says_which_goal_each_step_ran_on() -> None:
    assert ROOT.steps == ROOT.tactics == ()
    assert list(LAST.steps) == ["split", ProofStep("  end", goal=1)]
    assert LAST.tactics == ("split", "rotate_left 1\nend")
    assert list(LAST.lineage) == [LAST, SPLIT, ROOT]


def test_a_scorer_is_shown_the_state_and_the_way_there() -> None:
    weighed = attrs.evolve(LAST, energy=0.25)
    leaf = weighed.leaf(Theorem.of("a"))
    assert (leaf.state, leaf.path_log_prob, leaf.depth, leaf.energy) == (LAST.state, -1.5, 2, 0.25)
    assert (leaf.theorem.statement, LAST.is_terminal, Node(index=3, state=state()).is_terminal) == ("a", False, True)
