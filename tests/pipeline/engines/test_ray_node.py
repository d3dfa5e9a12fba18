from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from letters_job import LettersJob

from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline.engines._ray_node import RayNode

HOURS_S = 36_000.0


class UnopenedJob(LettersJob):
    def open(self, *_: Any, **__: Any) -> Any:
        raise ConfigError("no letters today")


@pytest.fixture
async def node() -> AsyncIterator[RayNode]:
    node = RayNode(HOURS_S)
    yield node
    await node.close()


async def opened(node: RayNode, job: LettersJob, **other: str) -> tuple[list[str], int]:
    asked = {"part": "ray-1", "folder": str(Path.cwd()), "leanebm": version("leanebm"), **other}
    names, concurrency = await node.open(pickle.dumps(job), **asked)
    return list(names), concurrency


async def test_it_says_what_waits_and_then_what_ended(node: RayNode) -> None:
    job = LettersJob(["a", "before", "b"], written=["before"], concurrency=3)
    assert await opened(node, job) == (["a", "b"], 3)
    await node.work("b")
    await node.work("a")
    ended = [*await node.ended()]
    while len(ended) < 2:
        ended += await node.ended()
    assert sorted(one.name for one in ended) == ["a", "b"]


async def test_a_node_on_which_nothing_ends_answers_all_the_same(
    node: RayNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanebm.pipeline.engines._ray_node.BEAT_S", 0.01)
    assert await node.ended() == []


async def test_a_node_with_another_leanebm_or_without_a_folder_is_refused(node: RayNode) -> None:
    with pytest.raises(ConfigError, match=r"the node has leanebm .*, and the run was started with 9\.9: install"):
        await opened(node, LettersJob(["a"]), leanebm="9.9")
    for job, folder in ((LettersJob(["a"]), "/nowhere"), (LettersJob(["a"], Path("/nowhere")), str(Path.cwd()))):
        with pytest.raises(ConfigError, match=r"sees no folder /nowhere, .*must be on a disk that all nodes share"):
            await opened(node, job, folder=folder)


async def test_what_does_not_open_is_said_to_the_driver(node: RayNode) -> None:
    with pytest.raises(ConfigError, match="no letters today"):
        await opened(node, UnopenedJob(["a"]))


async def test_a_dropped_item_is_not_worked_on_and_its_slot_is_free(node: RayNode) -> None:
    await opened(node, LettersJob(["endless", "a"]))
    endless = asyncio.create_task(node.work("endless"))
    await asyncio.sleep(0)
    await node.drop("endless")
    await endless
    await node.drop("a")  # not under way: nothing happens
    await node.work("a")
    assert [one.name for one in await node.ended()] == ["a"]


async def test_closing_stops_what_goes_on(node: RayNode) -> None:
    await opened(node, LettersJob(["endless"]))
    endless = asyncio.create_task(node.work("endless"))
    await asyncio.sleep(0)
    await node.close()
    await endless


async def test_work_on_a_broken_station_and_before_it_is_open_fails(node: RayNode) -> None:
    with pytest.raises(LeanEbmError, match="before it was opened"):
        await node.work("a")
    await opened(node, LettersJob(["broken"]))
    with pytest.raises(KeyError, match="broken"):
        await node.work("broken")


def test_a_node_that_nobody_asks_ends_itself() -> None:
    code = (
        "import signal; from leanebm.pipeline.engines._ray_node import RayNode; "
        "node = RayNode(0.2); signal.pause(); print('still there')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "this node ends" in done.stderr
