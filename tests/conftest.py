"""Fixtures of the whole suite. The real Lean is prepared once and shared: it costs seconds and a gigabyte."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# Small heads gain nothing from more threads, and wait for one another where Lean workers have the other cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from chosen_lean import NAMES, ChosenLean
from hypothesis import settings
from lean_report import LeanReport

from leanebm.core import ProofEnvironment, TacticPolicy
from leanebm.errors import LeanInstallError
from leanebm.lean import LeanPool
from leanebm.lean.embedded import EmbeddedLean, install
from leanebm.pipeline import Observer, RunConfig, Workbench, WorkbenchOpener
from leanebm.storage import RunInfo
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

# How long an example takes is the machine's affair, not a property.
settings.register_profile("leanebm", deadline=None)
settings.load_profile("leanebm")

MakeRun = Callable[..., RunInfo]
ToyBench = Callable[..., WorkbenchOpener]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a Lean of the user's stand in for the embedded one; ``nox -s native`` is the way to ask for that."""
    group = parser.getgroup("leanebm")
    group.addoption("--lean-backend", choices=NAMES, default="embedded", help="the Lean that suites run over")
    group.addoption("--lean-project", type=Path, metavar="DIR", help="a Lake project for it")
    group.addoption("--lean-program", type=Path, metavar="FILE", help="a Pantograph that is not under vendor")
    group.addoption("--lean-import", action="append", metavar="MODULE", help="what it imports (default: Init)")
    group.addoption("--lean-report", type=Path, metavar="FILE", help="write what the suites say of it")


_CHOSEN = pytest.StashKey[ChosenLean]()


def _choose_lean(config: pytest.Config) -> None:
    name, project = config.getoption("--lean-backend"), config.getoption("--lean-project")
    imports = tuple(config.getoption("--lean-import") or ("Init",))
    try:
        lean = ChosenLean.named(name, project, config.getoption("--lean-program"), imports)
    except LeanInstallError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_CHOSEN] = lean
    if (path := config.getoption("--lean-report")) is not None:
        config.pluginmanager.register(LeanReport(path, lean, project), LeanReport.__name__)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Lean, and have signals stop the run as they would in a terminal, wherever it was started.

    A job in the background of a script starts with SIGINT ignored, and the tests of Ctrl-C would wait for
    ever. SIGTERM ends the run as Ctrl-C does: fixtures are torn down and pytest prints its closing line.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    _choose_lean(config)


_TAKE_LONGEST = {
    Path(__file__).parent / name
    for name in (
        "faults/test_killed_runs.py",
        "pipeline/engines/test_ray_engine.py",
        "pipeline/iteration/test_iteration_run.py",
        "pipeline/iteration/test_summary.py",
        "test_examples.py",
    )
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, whatever order was drawn, and give their tests longer.

    Nobody then waits for one of them alone. Some start a dozen processes one after another.
    """
    items.sort(key=lambda item: item.path not in _TAKE_LONGEST)
    for item in items:
        if item.path in _TAKE_LONGEST:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def chosen_lean(pytestconfig: pytest.Config) -> ChosenLean:
    """The Lean that is tested: the embedded one, unless ``--lean-backend`` says otherwise."""
    lean = pytestconfig.stash[_CHOSEN]
    if lean.is_embedded:
        install()
    return lean


@pytest.fixture(scope="session")
def our_repl(chosen_lean: ChosenLean) -> None:
    """For tests of what our REPL adds to Pantograph's protocol."""
    if not chosen_lean.is_ours:
        pytest.skip("plain Pantograph does not have this")


@pytest.fixture(scope="session")
def embedded_lean(chosen_lean: ChosenLean) -> EmbeddedLean:
    """The embedded Lean, fetched and prepared if this machine does not have it yet."""
    if not chosen_lean.is_embedded:
        pytest.skip("this is about the embedded Lean")
    return install()


@pytest.fixture(scope="session")
async def lean_pool(chosen_lean: ChosenLean) -> AsyncIterator[LeanPool]:
    """One real worker for the session; every test opens proofs of its own on it."""
    async with LeanPool(chosen_lean.config(num_workers=1)) as pool:
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
