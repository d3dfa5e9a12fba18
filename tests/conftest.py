"""Fixtures of the whole suite. The real Lean is prepared once and shared: it costs seconds and a gigabyte."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

# Small heads gain nothing from more threads, and wait for one another where Lean workers have the other cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from leanebm.core import ProofEnvironment, TacticPolicy
from leanebm.lean import LeanPool, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean, install
from leanebm.pipeline import Observer, RunConfig, Workbench, WorkbenchOpener
from leanebm.storage import RunInfo
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

# How long an example takes is the machine's affair, not a property.
settings.register_profile("leanebm", deadline=None)
settings.load_profile("leanebm")

MakeRun = Callable[..., RunInfo]
ToyBench = Callable[..., WorkbenchOpener]


def pytest_configure() -> None:
    """Have signals stop the run as they would in a terminal, wherever it was started.

    A job in the background of a script starts with SIGINT ignored, and the tests of Ctrl-C would wait for
    ever. SIGTERM ends the run as Ctrl-C does: fixtures are torn down and pytest prints its closing line.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def embedded_lean() -> EmbeddedLean:
    """The embedded Lean, fetched and prepared if this machine does not have it yet."""
    return install()


@pytest.fixture(scope="session")
async def lean_pool(embedded_lean: EmbeddedLean) -> AsyncIterator[LeanPool]:
    """One real worker for the session; every test opens proofs of its own on it."""
    assert embedded_lean.node.is_file()
    async with LeanPool(LeanPoolConfig.embedded(num_workers=1)) as pool:
        yield pool


@pytest.fixture
def make_run() -> MakeRun:
    """``make_run("run-1", max_expansions=100)``."""

    def make(run_id: str = "run-1", *, seed: int = 0, **budget: Any) -> RunInfo:
        return RunInfo(
            run_id=run_id,
            started_unix_s=1.7e9,
            seed=seed,
            backend="toy",
            lean_version="none",
            leanebm_version="0",
            config={"search": {"budget": budget}, "imports": ("Init",)},
        )

    return make


@pytest.fixture(scope="session")
def toy_bench() -> ToyBench:
    """Opens a workbench whose Lean is a toy world."""

    def make(
        world: ToyWorld, *, policy: TacticPolicy | None = None, environment: ProofEnvironment | None = None
    ) -> WorkbenchOpener:
        @asynccontextmanager
        async def opening(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
            yield Workbench(
                policy=policy if policy is not None else ScriptedPolicy.over(world),
                scorer=config.scorer,
                environment=environment if environment is not None else world,
                certifier=ToyCertifier(world),
                lean_version="toy",
            )

        return opening

    return make
