from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from gated_policy import GatedPolicy

from leanebm.core import Theorem
from leanebm.pipeline import RunConfig, SearchRun, ShardsEngine
from leanebm.pipeline.engines.shards_engine import Share
from leanebm.pipeline.search import live_trees
from leanebm.pipeline.search.live_trees import LiveReader, LiveTrees
from leanebm.pipeline.view.run_view import RunView
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig, SearchProgress
from leanebm.testing import ManualClock, ScriptedPolicy, ToyCertifier, ToyWorld

ToyBench = Callable[..., Any]

WORLD = ToyWorld.countdown(64)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_trees, "_TICK_S", 0.01)
    monkeypatch.setattr(live_trees, "_SHARE", 1000.0)


def search_run(folder: Path, opening: Any, statements: Sequence[str] = ("31",), **options: Any) -> SearchRun:
    config = RunConfig(concurrency=2, search=SearchConfig(budget=SearchBudget(max_expansions=100)))
    theorems = [Theorem(name=f"n{statement}", statement=statement) for statement in statements]
    return SearchRun(config, theorems, folder, opening=opening, **options)


def outcomes(view: RunView) -> dict[str, str]:
    return {each["name"]: each["outcome"] for each in view.as_json()["theorems"]}


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 - what is waited for is a file
            await asyncio.sleep(0.01)


async def test_a_tree_is_shown_as_it_grows_and_nothing_is_left_of_it(tmp_path: Path, toy_bench: ToyBench) -> None:
    policy = GatedPolicy(WORLD, 3)
    view = RunView(tmp_path, goes_on=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(search_run(tmp_path, toy_bench(WORLD, policy=policy)).run())
        # Three have an answer, one waits for it; the file may be written when there are fewer, and again.
        await until(lambda: [each["expansions"] for each in view.as_json()["theorems"]] == [4])
        assert outcomes(view) == {"n31": "searching"}
        [before] = view.as_json()["theorems"]
        tree = json.loads(view.tree_json("n31"))
        assert sorted(each for each in tree["expansion"] if each >= 0) == [0, 1, 2, 3]
        assert any(attempt[4] for attempts in tree["attempts"] for attempt in attempts), "Lean's words are in it"
        policy.allow(1)
        await until(lambda: view.as_json()["theorems"][0]["searched"] != before["searched"])
        policy.allow()
    assert outcomes(view) == {"n31": "proved"}
    assert view.tree_json("n31") == RunView(tmp_path).tree_json("n31")
    assert not (tmp_path / "running").exists()


async def test_workers_that_share_a_folder_are_all_seen(tmp_path: Path, toy_bench: ToyBench) -> None:
    policy = GatedPolicy(WORLD, 4)
    view = RunView(tmp_path, goes_on=True)
    async with asyncio.TaskGroup() as tasks:
        for number in (1, 2):
            engine = ShardsEngine(share=Share(number, 2))
            run = search_run(tmp_path, toy_bench(WORLD, policy=policy), ("31", "29"), engine=engine)
            tasks.create_task(run.run())
        await until(lambda: outcomes(view) == {"n31": "searching", "n29": "searching"})
        policy.allow()
    assert outcomes(view) == {"n31": "proved", "n29": "proved"}
    assert not (tmp_path / "running").exists()


_NEVER_ENDS = """
import asyncio, sys
from contextlib import asynccontextmanager
from pathlib import Path
from leanebm.pipeline import Workbench
from leanebm.testing import ToyCertifier
from gated_policy import GatedPolicy
from test_live_trees import WORLD, live_trees, search_run

@asynccontextmanager
async def opening(config, observer):
    parts = {"environment": WORLD, "certifier": ToyCertifier(WORLD), "lean_version": "toy"}
    yield Workbench(policy=GatedPolicy(WORLD, 3), scorer=config.scorer, **parts)

live_trees._TICK_S = 0.01
asyncio.run(search_run(Path(sys.argv[1]), opening).run())
"""


async def test_what_a_killed_run_leaves_is_not_said_to_go_on_and_is_swept(tmp_path: Path, toy_bench: ToyBench) -> None:
    view = RunView(tmp_path / "run", goes_on=True)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", _NEVER_ENDS, str(tmp_path / "run")]
    with subprocess.Popen(command, env=environment) as process:  # noqa: ASYNC220 - nobody else waits
        await until(lambda: outcomes(view) == {"n31": "searching"} or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
    [left] = (tmp_path / "run" / "running").glob("*/*.jsonl")
    os.utime(left, (0, time.time() - 120))
    [told] = RunView(tmp_path / "run", goes_on=True).as_json()["theorems"]
    assert told["outcome"] == "silent"
    assert "UTC: the run was killed, or hangs" in told["error"]
    assert outcomes(view) == {"n31": "searching"}, "it was seen to change a moment ago, whatever its clock says"
    policy = GatedPolicy(WORLD, 0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(search_run(tmp_path / "run", toy_bench(WORLD, policy=policy), resume=True).run())
        await until(lambda: not left.exists() or left.stat().st_mtime > time.time() - 100)
        policy.allow()
    assert outcomes(view) == {"n31": "proved"}
    assert not left.exists()


async def test_what_cannot_be_written_ends_nothing(
    tmp_path: Path, toy_bench: ToyBench, caplog: pytest.LogCaptureFixture
) -> None:
    policy = GatedPolicy(WORLD, 3)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(search_run(tmp_path, toy_bench(WORLD, policy=policy)).run())
        await until(lambda: (tmp_path / "config.toml").exists())
        (tmp_path / "running").write_text("no folder")
        await until(lambda: "not shown any more" in caplog.text)
        policy.allow()
    assert running.result().totals.proved == 1


async def progress_of(statement: str) -> SearchProgress:
    seen: list[SearchProgress] = []

    class Watched(BestFirstSearch):
        def on_node(self, progress: SearchProgress, node: Any) -> None:  # noqa: ARG002
            seen.append(progress)

    await Watched(policy=ScriptedPolicy.over(WORLD), environment=WORLD, certifier=ToyCertifier(WORLD)).run(statement)
    return seen[-1]


async def test_a_large_tree_is_told_of_and_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = await progress_of("31")
    for limit in ("_MAX_NODES", "_MAX_TREE_BYTES"):
        with monkeypatch.context() as patched:
            patched.setattr(live_trees, limit, 3)
            async with LiveTrees(tmp_path / "running" / "local", "r1", {"n31": progress}):
                await until(lambda: bool(list(tmp_path.glob("running/*/*.jsonl"))))
                patched.setattr(live_trees, "_MAX_TREE_BYTES", 2**20)
                [live] = LiveReader(tmp_path / "running").read()
                assert live.about["nodes"] == len(progress.tree.nodes) > 3
                assert "too large" in live.about["error"]
                assert json.loads(live.tree())["parent"] == []


async def test_somebody_may_tidy_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_trees, "_TICKS_PER_BEAT", 1)
    progress, folder = await progress_of("31"), tmp_path / "running" / "local"
    running: dict[str, SearchProgress] = {}
    async with LiveTrees(folder, "r1", running):
        for name in ("n1", "n2", "n3"):
            running[name] = progress
            await until((folder / f"{name}.jsonl").exists)
            shutil.rmtree(folder)


async def test_what_writing_takes_is_a_hundredth_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_trees, "_TICK_S", 1.0)
    monkeypatch.setattr(live_trees, "_SHARE", 0.01)
    monkeypatch.setattr(time, "perf_counter", ManualClock(step_s=0.5))
    progress = await progress_of("31")
    running = {f"n{number}": progress for number in range(9)}
    trees = LiveTrees(tmp_path / "local", "r1", running)
    for _ in range(180):
        await trees.write_some()
    assert len(list(tmp_path.glob("local/*.jsonl"))) == 4, "each takes half a second, which is earned in fifty"


def test_what_nobody_here_wrote_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    folder.mkdir()
    for name, content in (
        ("zeros", b"\0" * 40),
        ("empty", b""),
        ("list", b"[]\n"),
        ("deep", b"[" * 9999),
        ("n", b"{}"),
    ):
        (folder / f"{name}.jsonl").write_bytes(content)
    (folder / "folder.jsonl").mkdir()
    assert LiveReader(tmp_path).read() == []
