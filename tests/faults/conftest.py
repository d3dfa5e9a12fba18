"""What the fault tests share: real worker processes that misbehave, and a search over them."""

from __future__ import annotations

import asyncio
import gc
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

_AT_REST = 40  # looks that find the same processes: two seconds
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


@pytest.fixture(scope="module", autouse=True)
async def at_rest() -> set[psutil.Process]:
    """The processes there are once no worker of the session is being replaced: what takes its place is no test's."""
    seen: set[psutil.Process] = set()
    looks = 0
    while looks < _AT_REST:
        before, seen = seen, set(psutil.Process().children(recursive=True))
        looks = looks + 1 if seen == before else 0
        await asyncio.sleep(0.05)
    return seen


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    """No test of this folder leaves a process, a task or a file descriptor behind."""
    gc.collect()  # what earlier tests dropped is closed now, and not while this one runs
    process = psutil.Process()
    before = set(process.children(recursive=True))
    descriptors, tasks = _descriptors(), len(asyncio.all_tasks())
    yield
    await asyncio.sleep(0)  # a closed pipe lets go of its descriptor in the loop's next turn
    assert set(process.children(recursive=True)) <= before
    assert len(asyncio.all_tasks()) == tasks
    assert _descriptors() == descriptors


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the number is all we want
