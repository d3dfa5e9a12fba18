from __future__ import annotations

from leanebm.core import (
    Candidate,
    Goal,
    NodeStatus,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    StateRef,
    TacticFate,
    TacticRejected,
    TacticTimedOut,
)
from leanebm.search import SearchTree
from leanebm.search.progress import Expansion, distinct


def state(name: str, state_id: int) -> ProofState:
    goals = () if name == "∎" else (Goal(text=f"⊢ {name}", target=name),)
    return ProofState(goals=goals, key=name, ref=StateRef(0, state_id))


def test_a_text_counts_once_however_it_is_padded_and_keeps_its_first_form() -> None:
    candidates = [Candidate("simp", -1.0), Candidate("  simp\n", -2.0), Candidate("rfl", -3.0), Candidate("rfl", -4.0)]
    assert distinct(candidates) == [candidates[0], candidates[2]]


def test_each_outcome_finds_its_place() -> None:
    tree = SearchTree.planted(state("r", 0))
    first = Expansion(tree, tree.root)
    a_state, again = state("a", 1), state("a", 2)
    step = Candidate("t", -1.0)

    assert first.follow(step, ProofAdvanced(a_state, 0.1), found_s=1.0).kind is TacticFate.ADVANCED
    assert first.follow(step, ProofAdvanced(again, 0.1), found_s=2.0).kind is TacticFate.MERGED
    assert first.follow(step, ProofAdvanced(state("r", 3), 0.1), found_s=2.0).kind is TacticFate.CYCLIC
    assert first.follow(step, TacticRejected("no", 0.1), found_s=2.0).message == "no"
    assert first.follow(step, TacticTimedOut("slow", 0.1), found_s=2.0).kind is TacticFate.TIMED_OUT
    finished = first.follow(step, ProofFinished(state("∎", 4), 0.2), found_s=3.0)
    first.close()

    a = tree.nodes[1]
    assert first.children == [a]
    assert [rival.node for rival in first.rivals] == [a]
    assert [one.ref.state_id for one in first.spent_states] == [2, 3, 4]
    assert (finished.kind, finished.target) == (TacticFate.FINISHED, 2)
    assert (tree.nodes[2].found_s, tree.nodes[2].tactic_s) == (3.0, 0.2)
    assert [edge.target for edge in tree.root.edges] == [1, 1, 0, None, None, 2]
    assert tree.root.status is NodeStatus.EXPANDED


def test_a_node_is_dead_only_if_every_candidate_failed() -> None:
    tree = SearchTree.planted(state("r", 0))
    expansion = Expansion(tree, tree.root)
    expansion.follow(Candidate("t", -1.0), TacticRejected("no", 0.1), found_s=0.0)
    expansion.follow(Candidate("u", -1.0), TacticTimedOut("slow", 0.1), found_s=0.0)
    expansion.close()
    assert tree.root.status is NodeStatus.DEAD


def test_a_way_back_is_not_a_dead_end() -> None:
    tree = SearchTree.planted(state("r", 0))
    expansion = Expansion(tree, tree.root)
    expansion.follow(Candidate("symm", -1.0), ProofAdvanced(state("r", 1), 0.1), found_s=0.0)
    expansion.close()
    assert tree.root.status is NodeStatus.EXPANDED


def test_the_very_state_given_before_is_not_freed() -> None:
    tree = SearchTree.planted(state("r", 0))
    expansion = Expansion(tree, tree.root)
    expansion.follow(Candidate("skip", -1.0), ProofAdvanced(tree.root.state, 0.1), found_s=0.0)
    assert expansion.spent_states == []
