"""Clocks that jump, and a process that is stopped and goes on: deadlines are kept by nobody but time that passed."""

from __future__ import annotations

import ast
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import leanebm
from leanebm.core import SearchOutcome
from leanebm.lean import LeanPoolConfig

OpenSearcher = Callable[..., Any]

_WALL_CLOCK = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
_MAY_READ_IT = {
    "search_run.py": "when a search began, for the record",
    "contrastive_run.py": "when a run began, for the record",
    "engine.py": "when a run began, for the record",
    "workbench.py": "when a search began, for the record",
    "live_trees.py": "how old a file is that another process wrote, perhaps long ago",
    "aggregate.py": "when an aggregate was made, for the record",
    "installer.py": "when a prepared folder was last asked for, which outlives the process",
    "_embedding_store.py": "when an embedding was last used, which outlives the process",
}


def _reads_the_wall_clock(source: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in _WALL_CLOCK
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    )


def test_nobody_measures_or_waits_by_the_wall_clock() -> None:
    """Whatever measures, waits or expires reads a monotonic clock; the others are listed with their reasons."""
    sources = Path(leanebm.__file__).parent.rglob("*.py")
    assert {source.name for source in sources if _reads_the_wall_clock(source)} == _MAY_READ_IT.keys()


@pytest.mark.parametrize("step_s", [86_400.0, -86_400.0])
async def test_a_wall_clock_that_jumps_at_every_look_changes_nothing(
    open_searcher: OpenSearcher, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    jumping = itertools.count(time.time(), step_s)
    monkeypatch.setattr(time, "time", lambda: next(jumping))
    async with open_searcher(request_deadline_s=2.0, max_age_s=3600.0) as searcher:
        result = await searcher.try_out("hang")
        assert result.outcome is SearchOutcome.PROVED
        assert 2.0 <= result.statistics.wall_s < abs(step_s)
        assert searcher.pool.statistics().starts == 2, "one was lost to the tactic that hangs, none to the clock"


_STOPPED_IN_MID_TACTIC = """
import asyncio, os, signal, sys
from leanebm.core import Theorem
from leanebm.lean import CommandBackend, LeanPool, LeanPoolConfig

async def main():
    config = LeanPoolConfig(backend=CommandBackend(argv=tuple(sys.argv[1:])), num_workers=1, imports=(),
                            request_deadline_s=2.0)
    async with LeanPool(config) as pool, pool.open(Theorem(name="t", statement="p")) as proof:
        asyncio.get_running_loop().call_later(0.1, os.kill, os.getpid(), signal.SIGSTOP)
        outcome = await proof.run_tactic(proof.root, "late")
        print(type(outcome).__name__, pool.statistics().starts)

asyncio.run(main())
"""


def test_a_run_that_is_stopped_and_goes_on_takes_the_answers_that_came_meanwhile(
    unruly_config: Callable[..., LeanPoolConfig],
) -> None:
    """Ctrl-Z for longer than every deadline, then ``fg``: the worker's answer has been there all the time."""
    argv = unruly_config().backend.prepare(()).argv
    command = [sys.executable, "-c", _STOPPED_IN_MID_TACTIC, *argv]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        process = psutil.Process(run.pid)
        while process.status() != psutil.STATUS_STOPPED:
            assert run.poll() is None
            time.sleep(0.01)
        time.sleep(3.5)  # the fault itself: nothing tells when enough time has passed but time
        process.send_signal(signal.SIGCONT)
        said, _ = run.communicate(timeout=60)
    assert said.split() == ["ProofAdvanced", "1"]
