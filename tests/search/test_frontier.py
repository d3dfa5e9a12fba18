from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Goal, Node, ProofState, StateRef
from leanebm.search import Frontier


def node(index: int, priority: float | None) -> Node:
    state = ProofState(goals=(Goal(text="⊢ p", target="p"),), key=str(index), ref=StateRef(0, index))
    return Node(index=index, state=state, priority=priority)


def test_the_highest_priority_comes_first_and_equals_in_order_of_insertion() -> None:
    frontier = Frontier()
    for index, priority in enumerate([-2.0, -1.0, -2.0, -1.0, 0.0]):
        frontier.push(node(index, priority))
    assert [frontier.pop().index for _ in range(5)] == [4, 1, 3, 0, 2]


def test_pushing_a_queued_node_again_moves_it() -> None:
    frontier = Frontier()
    first, second = node(0, -3.0), node(1, -2.0)
    frontier.push(first)
    frontier.push(second)
    first.priority = -1.0
    frontier.push(first)
    assert len(frontier) == 2
    assert list(frontier) == [first, second]


def test_a_bounded_frontier_drops_its_lowest_and_says_which() -> None:
    frontier = Frontier(max_size=2)
    low, high, middle, lowest = node(0, -3.0), node(1, -1.0), node(2, -2.0), node(3, -9.0)
    assert frontier.push(low) is None
    assert frontier.push(high) is None
    assert frontier.push(middle) is low
    assert frontier.push(lowest) is lowest
    assert list(frontier) == [high, middle]


def test_among_equals_a_bounded_frontier_drops_the_latest() -> None:
    frontier = Frontier(max_size=1)
    frontier.push(node(0, -1.0))
    latest = node(1, -1.0)
    assert frontier.push(latest) is latest


def test_misuse_is_refused() -> None:
    frontier = Frontier()
    with pytest.raises(IndexError):
        frontier.pop()
    with pytest.raises(KeyError):
        frontier.take(node(0, 0.0))
    with pytest.raises(ValueError, match="has not been scored"):
        frontier.push(node(0, None))
    with pytest.raises(ValueError, match="at least one node"):
        Frontier(max_size=0)


Operation = tuple[str, int, float]
operations = st.lists(
    st.tuples(st.sampled_from(["push", "pop", "take"]), st.integers(0, 7), st.sampled_from([-2.0, -1.5, -1.0, 0.0]))
)


@given(operations, st.none() | st.integers(1, 4))
def test_it_behaves_like_a_list_that_is_searched_for_its_maximum(ops: list[Operation], max_size: int | None) -> None:
    frontier = Frontier(max_size)
    nodes = [node(index, 0.0) for index in range(8)]
    model: list[Node] = []  # in order of insertion; max() finds the first among equals
    for operation, index, priority in ops:
        one = nodes[index]
        if operation == "push":
            one.priority = priority
            model = [*(other for other in model if other is not one), one]
            dropped = frontier.push(one)
            if max_size is not None and len(model) > max_size:
                lowest = min(reversed(model), key=_priority)
                model.remove(lowest)
                assert dropped is lowest
            else:
                assert dropped is None
        elif operation == "pop" and model:
            best = max(model, key=_priority)
            model.remove(best)
            assert frontier.pop() is best
        elif operation == "take" and one in model:
            model.remove(one)
            assert frontier.take(one) is one
        assert len(frontier) == len(model)
        assert list(frontier) == sorted(model, key=_priority, reverse=True)
        assert all((other in frontier) == (other in model) for other in nodes)


def _priority(one: Node) -> float:
    assert one.priority is not None
    return one.priority
