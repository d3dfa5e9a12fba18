from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from leanebm._viewer import TREE_COLUMNS
from leanebm.errors import ConfigError
from leanebm.pipeline import Results
from leanebm.pipeline.view.page import write_view
from leanebm.pipeline.view.run_view import RunView, view_file
from leanebm.testing import LOST, ToyWorld
from leanebm.trajectory import read_trajectory

MakeSearched = Callable[..., Awaitable[Path]]


async def test_a_tree_is_what_the_trajectory_says(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"}, budget=6)
    rows = {row.node: row for row in read_trajectory(run).rows() if row.theorem == "n31"}
    tree = RunView(run).tree("n31")
    assert set(tree) == set(TREE_COLUMNS)
    assert len(tree["parent"]) == len(rows) > 5
    for node, row in rows.items():
        same = (
            "parent",
            "tactic",
            "log_prob",
            "priority",
            "energy",
            "depth",
            "status",
            "expansion",
            "state_text",
            "found_s",
        )
        assert [tree[name][node] for name in same] == [getattr(row, name) for name in same]
        assert [attempt[0] for attempt in tree["attempts"][node]] == [attempt.tactic for attempt in row.attempts]
        assert [attempt[4] for attempt in tree["attempts"][node]] == [attempt.message for attempt in row.attempts]
    assert any(attempt[2] == "rejected" and attempt[4] for attempts in tree["attempts"] for attempt in attempts)


async def test_folder_trajectory_and_shard_are_one_run(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8"})
    [shard] = (run / "trajectory").glob("*.parquet")
    seen = [RunView(path).as_json()["theorems"] for path in (run, run / "trajectory", shard)]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0]["proof"][-1] == "done"
    assert view_file(run) == run / "view.html"
    assert view_file(shard) == run / "trajectory" / "view.html"


async def test_what_is_searched_again_counts_once(searched: MakeSearched) -> None:
    moves = {"a": {"break": LOST}, "b": {"go": "c"}, "c": {}}
    run = await searched("run", {"a": "a", "b": "b"}, world=ToyWorld(moves=moves))
    seen = RunView(run)
    lost = {each["name"]: each for each in seen.as_json()["theorems"]}
    assert lost["a"]["outcome"] == "infrastructure"
    assert lost["a"]["error"]
    await searched("run", {"a": "a", "b": "b"}, world=ToyWorld(moves=moves | {"a": {"go": "c"}}), resume=True)
    found = {each["name"]: each for each in seen.as_json()["theorems"]}
    assert list(found) == list(lost)
    assert found["a"]["outcome"] == "exhausted"
    assert found["a"]["searched"] != lost["a"]["searched"]
    assert found["b"] == lost["b"]
    assert [len(tree["parent"]) for _, tree in seen.trees({"a": "a", "b": "b"})] == [2, 2]


async def test_one_theorem_can_be_asked_for(searched: MakeSearched) -> None:
    run = await searched("run", {"n8": "8", "n31": "31"})
    assert [each["name"] for each in RunView(run).as_json(theorem="n31")["theorems"]] == ["n31"]
    with pytest.raises(ConfigError, match="'n9' @ --theorem"):
        RunView(run).as_json(theorem="n9")


def test_a_folder_without_a_run_is_a_mistake_unless_a_run_is_awaited(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give a run's folder"):
        RunView(tmp_path).as_json()
    assert RunView(tmp_path, goes_on=True).as_json()["theorems"] == []


async def test_a_run_whose_path_is_no_text_is_shown_and_exported(searched: MakeSearched, tmp_path: Path) -> None:
    run = await searched("run", {"n8": "8"})
    named = run.with_name(os.fsdecode(b"run-\xff"))
    run.rename(named)
    assert RunView(named).as_json()["name"].endswith("run-\\udcff")
    assert write_view(named).is_file()
    assert Results(named).write("theorems", tmp_path / "theorems.jsonl") == 1
    assert Results(named).arrow("nodes")["run"][0].as_py().endswith("run-\\udcff")
