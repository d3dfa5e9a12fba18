from __future__ import annotations

import gc
import weakref

import pytest

from leanebm.core import Candidate, Goal, Node, NodeStatus, ProofState, StateRef
from leanebm.search import Rival, SearchTree


def state(name: str) -> ProofState:
    goals = () if name == "∎" else (Goal(text=f"⊢ {name}", target=name),)
    return ProofState(goals=goals, key=name, ref=StateRef(0, hash(name)))


def grow(tree: SearchTree, parent: Node, name: str, log_prob: float = -1.0) -> Node:
    candidate = Candidate(f"to {name}", log_prob, weights="old")
    return tree.grow(parent, candidate, state(name), found_s=0.0, tactic_s=0.0)


def test_a_path_is_read_from_the_root() -> None:
    tree = SearchTree.planted(state("r"))
    a = grow(tree, tree.root, "a")
    b = grow(tree, a, "b", -0.5)
    assert b.tactics == ("to a", "to b")
    assert tree.root.tactics == ()
    assert list(b.lineage) == [b, a, tree.root]
    assert (b.depth, b.path_log_prob) == (2, -1.5)
    assert [node.index for node in tree.nodes] == [0, 1, 2]
    assert tree.path(b) == (tree.root, a, b)
    assert tree.path(tree.root) == (tree.root,)


def test_states_are_known_by_key_but_finished_ones_never() -> None:
    tree = SearchTree.planted(state("r"))
    a = grow(tree, tree.root, "a")
    done = grow(tree, tree.root, "∎")
    assert tree.known(state("a")) is a
    assert tree.known(state("x")) is None
    assert tree.known(state("∎")) is None
    assert done.status is NodeStatus.FINISHED


def test_a_moved_node_takes_everything_below_it_along() -> None:
    tree = SearchTree.planted(state("r"))
    a = grow(tree, tree.root, "a", -5.0)
    below = grow(tree, a, "below", -1.0)
    further = grow(tree, below, "further", -1.0)
    b = grow(tree, tree.root, "b", -0.5)
    c = grow(tree, b, "c", -0.5)

    moved = tree.move(Rival(a, c, Candidate("shortcut", -0.25, weights="new")))

    assert [node.policy_weights for node in (tree.root, b, *moved)] == [None, "old", "new", "old", "old"]
    assert moved == (a, below, further)
    assert (tree.children(tree.root), tree.children(c), tree.children(further)) == ((b,), (a,), ())
    assert tree.path(further) == (tree.root, b, c, a, below, further)
    assert further.tactics == ("to b", "to c", "shortcut", "to below", "to further")
    assert [(node.depth, node.path_log_prob) for node in moved] == [(3, -1.25), (4, -2.25), (5, -3.25)]
    assert list(tree.subtree(tree.root)) == [tree.root, b, c, a, below, further]


def test_a_tree_that_is_not_needed_any_more_does_not_wait_for_the_garbage_collector() -> None:
    tree = SearchTree.planted(state("r"))
    leaf = weakref.ref(grow(tree, grow(tree, tree.root, "a"), "b"))
    gc.disable()
    try:
        del tree
        assert leaf() is None
    finally:
        gc.enable()


def test_a_node_is_never_hung_below_itself() -> None:
    tree = SearchTree.planted(state("r"))
    a = grow(tree, tree.root, "a")
    b = grow(tree, a, "b")
    for rival in (Rival(a, b, Candidate("back", 0.0)), Rival(a, a, Candidate("stay", 0.0))):
        with pytest.raises(ValueError, match="which it leads to"):
            tree.move(rival)
    with pytest.raises(ValueError, match="which it leads to"):
        tree.move(Rival(tree.root, b, Candidate("back", 0.0)))
    assert b.tactics == ("to a", "to b")
