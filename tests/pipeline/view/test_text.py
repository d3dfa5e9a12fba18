from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from leanebm.pipeline.view.run_view import RunView
from leanebm.pipeline.view.text import run_text, tree_dot, tree_text
from leanebm.testing import ToyWorld

MakeSearched = Callable[..., Awaitable[Path]]


async def test_the_text_has_every_node_and_every_refusal(searched: MakeSearched) -> None:
    seen = RunView(await searched("run", {"n8": "8"}))
    run, tree = seen.as_json(), seen.tree("n8")
    text = tree_text(run["theorems"][0], tree)
    for node in range(len(tree["parent"])):
        assert f"#{node} " in text
    refused = sum(attempt[2] == "rejected" for attempts in tree["attempts"] for attempt in attempts)
    assert text.count("[rejected, log p") == refused > 0
    assert "unknown tactic" in text
    assert sum(line.startswith("*") for line in text.splitlines()) == sum(tree["on_proof_path"])
    assert run_text(run).splitlines()[1].split() == ["proved", "n8", *text.splitlines()[0].split("proved, ")[1].split()]


async def test_a_graph_has_every_node_and_edge_and_quotes_text(searched: MakeSearched, hostile_world: ToyWorld) -> None:
    seen = RunView(await searched("run", {'a"b\\': "start"}, world=hostile_world))
    [record] = seen.as_json()["theorems"]
    tree = seen.tree(record["name"])
    graph = tree_dot(record, tree)
    assert graph.startswith('digraph "a\\"b\\\\" {')
    assert graph.count(" -> ") == len(tree["parent"]) - 1
    assert graph.count('"') % 2 == 0
    assert 'label="\\">' in graph


def test_a_tree_may_be_deeper_than_the_stack() -> None:
    size = 5000
    tree: dict[str, Any] = {
        "parent": [number - 1 for number in range(size)],
        "attempts": [[]] * size, "tactic": ["simp"] * size, "state_text": [""] * size, "status": ["open"] * size,
        "expansion": [-1] * size, "on_proof_path": [False] * size, "log_prob": [0.0] * size, "priority": [None] * size,
        "energy": [None] * size, "found_s": [0.0] * size,
    }  # fmt: skip
    ending: dict[str, Any] = {"name": "deep", "outcome": "exhausted", "error": None, "rejections": []}
    cost = {"nodes": size, "expansions": 0, "tactic_calls": 0, "wall_s": 0.0}
    assert tree_text(ending | cost, tree).count("\n") == 2 * size
