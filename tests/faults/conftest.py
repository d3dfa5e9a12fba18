"""What the fault tests share: real worker processes that misbehave, and a search over them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest
from fake_worker import fake_worker_argv

from leanebm.core import SearchResult, Theorem
from leanebm.lean import Certifier, CommandBackend, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

UnrulyConfig = Callable[..., LeanPoolConfig]
OpenSearcher = Callable[..., Any]

_LOOKS = 500  # five seconds and more
_WORKER = Path(__file__).with_name("unruly_worker.py")


@pytest.fixture
def unruly_config(tmp_path: Path) -> UnrulyConfig:
    """Makes a config of misbehaving workers; keywords go to the config."""

    def make(**settings: Any) -> LeanPoolConfig:
        *python, fake_worker, scenario = fake_worker_argv(marker=tmp_path / "marker")
        backend = CommandBackend(argv=(*python, str(_WORKER), scenario, fake_worker), name="unruly")
        defaults: dict[str, Any] = {"backend": backend, "num_workers": 1, "max_restart_delay_s": 0.0, "imports": ()}
        return LeanPoolConfig(**(defaults | settings))

    return make


@attrs.frozen
class Searcher:
    """Searches toy theorems: first ``step``, then on ``⊢ p'`` the tactic that is to be tried out, then ``done``."""

    pool: LeanPool
    certifier: Certifier

    async def try_out(self, tactic: str) -> SearchResult:
        """A search that meets ``tactic`` where there is something to replay, and a proof behind it."""
        policy = ScriptedPolicy.of({"p": {"step": 1.0}, "p'": {tactic: 0.9, "done": 0.1}})
        search = BestFirstSearch(
            policy=policy,
            scorer=BreadthFirst(),
            environment=ReplayingEnvironment(self.pool),
            certifier=self.certifier,
        )
        return await search.run(Theorem(name="t", statement="p"))


@pytest.fixture
def open_searcher(unruly_config: UnrulyConfig) -> OpenSearcher:
    """``async with open_searcher(max_rss_mib=60) as searcher``."""

    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Searcher]:
        async with LeanPool(unruly_config(**settings)) as pool, Certifier(unruly_config()) as certifier:
            yield Searcher(pool, certifier)

    return opened


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    """No test of this folder leaves a process, a task or a file descriptor behind.

    What is being let go of has a while to be gone: a pipe's descriptor is closed in one of the loop's next turns. There
    may be fewer descriptors than before, for garbage of earlier tests holds some.
    """
    processes, tasks, descriptors = _processes(), asyncio.all_tasks(), _descriptors()
    yield
    for _ in range(_LOOKS):
        await asyncio.sleep(0.01)
        left = (_processes() - processes, asyncio.all_tasks() - tasks - {asyncio.current_task()})
        if not any(left) and _descriptors() <= descriptors:
            return
    pytest.fail(f"left behind: {left}, and {_descriptors()} file descriptors, where {descriptors} were before")


def _processes() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the number is all we want
