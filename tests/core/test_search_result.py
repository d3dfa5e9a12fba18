from __future__ import annotations

import base64
import copy
import gzip
import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm._viewer import TREE_COLUMNS
from leanebm.core import (
    Edge,
    Node,
    NodeStatus,
    ProofState,
    SearchOutcome,
    SearchResult,
    SearchStatistics,
    StateRef,
    TacticFate,
    Theorem,
)
from leanebm.errors import LeanError, StaleState, WorkerStartError


def test_a_proof_that_could_not_be_opened_has_found_nothing() -> None:
    error = WorkerStartError("no worker started")
    result = SearchResult.unopened(Theorem(name="t", statement="True"), error)
    assert result.outcome is SearchOutcome.INFRASTRUCTURE
    assert result.error is error
    assert result.nodes == ()
    assert result.proof == ()
    assert result.statistics == SearchStatistics()
    assert "nodes=<0>" in repr(result)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("theorem", "True"),
        ("outcome", "exhausted"),
        ("certificate", "trust me"),
        ("rejections", ("no",)),
        ("nodes", (1, 2)),
        ("nodes", []),
        ("statistics", None),
        ("error", "it broke"),
    ],
)
def test_a_result_holds_what_it_says(field: str, value: Any) -> None:
    result = SearchResult.unopened(Theorem(name="t", statement="True"), None)
    with pytest.raises(TypeError, match=field):
        attrs.evolve(result, **{field: value})


def _pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own bytes


def _searched(depth: int, *, error: LeanError | None = None) -> SearchResult:
    """A path of ``depth`` steps."""
    nodes: list[Node] = []
    for index in range(depth + 1):
        state = ProofState(goals=(), key=f"state {index}", ref=StateRef(7, index))
        parent = nodes[-1] if nodes else None
        nodes.append(Node(index=index, state=state, parent=parent, depth=index, tactic=f"step {index}"))
        if parent is not None:
            kind = TacticFate.ADVANCED
            parent.edges.append(Edge(tactic=f"step {index}", log_prob=-1.0, kind=kind, target=index, elapsed_s=0.1))
    return attrs.evolve(
        SearchResult.unopened(Theorem(name="t", statement="True"), error),
        outcome=SearchOutcome.BUDGET_SPENT,
        nodes=tuple(nodes),
    )


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, _pickled])
@pytest.mark.parametrize("depth", [0, 3, 2_000])
def test_a_copy_of_a_result_is_equal_to_it_however_deep_the_tree(again: Callable[[Any], Any], depth: int) -> None:
    result = _searched(depth, error=StaleState("its worker is gone"))
    other = again(result)
    assert other == result
    assert hash(other) == hash(result)
    assert [node.parent.index for node in other.nodes if node.parent is not None] == list(range(depth))


def _change_status(result: SearchResult) -> None:
    result.nodes[2].status = NodeStatus.DEAD


def _hang_elsewhere(result: SearchResult) -> None:
    result.nodes[2].parent = result.nodes[0]


def _try_less(result: SearchResult) -> None:
    result.nodes[0].edges.clear()


@pytest.mark.parametrize("change", [_change_status, _hang_elsewhere, _try_less])
def test_results_whose_nodes_say_otherwise_differ(change: Callable[[SearchResult], None]) -> None:
    other = copy.deepcopy(_searched(3))
    change(other)
    assert other != _searched(3) == _searched(3)


def test_results_differ_by_the_kind_of_their_errors_and_by_their_words() -> None:
    assert _searched(1, error=LeanError("gone")) == _searched(1, error=LeanError("gone"))
    for error in (LeanError("lost"), StaleState("gone"), None):
        assert _searched(1, error=LeanError("gone")) != _searched(1, error=error)


def test_a_node_is_equal_to_itself_alone() -> None:
    node = _searched(1).nodes[1]
    assert node == node
    assert copy.deepcopy(node) != node


def test_a_notebook_is_told_of_a_result_what_a_trajectory_would_say() -> None:
    cell = _searched(3)._repr_html_()
    assert cell.startswith("<div>")
    assert "<iframe sandbox=" in cell
    framed = re.search(r"id=&quot;tree-0-0&quot;&gt;([\w+/=]*)&lt;", cell)
    assert framed is not None
    tree = json.loads(gzip.decompress(base64.b64decode(framed[1])))
    assert set(tree) == set(TREE_COLUMNS)
    nodes = _searched(3).nodes
    assert {len(column) for column in tree.values()} == {len(nodes)}
    assert tree["parent"] == [-1 if node.parent is None else node.parent.index for node in nodes]
    assert [[attempt[2] for attempt in attempts] for attempts in tree["attempts"]] == [
        [edge.kind for edge in node.edges] for node in nodes
    ]


def test_text_of_a_result_is_no_markup_in_a_notebook() -> None:
    unopened = SearchResult.unopened(Theorem(name="<script>\x1b", statement="True"), None)
    assert "<script>" not in unopened._repr_html_()
    assert "<div>&lt;script&gt;\\u001b: infrastructure, 0 nodes</div>" in unopened._repr_html_()
