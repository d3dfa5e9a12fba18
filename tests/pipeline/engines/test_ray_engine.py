from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from _ray_cluster import RayCluster, ray_cluster
from letters_job import LettersJob
from unasked import Unasked

from leanebm.core import Theorem
from leanebm.data import KnownProof
from leanebm.errors import ConfigError, MissingExtra
from leanebm.pipeline import (
    SHIPPED_HEAD,
    ContrastiveConfig,
    ContrastiveRun,
    EnergyConfig,
    Engine,
    EvaluationRun,
    LogObserver,
    Parts,
    RayEngine,
    RunConfig,
    SearchRun,
    summarise_run,
)
from leanebm.pipeline.engines._ray_leases import MAX_LOSSES, WHY_GIVEN_UP
from leanebm.pipeline.engines.ray_engine import _packed

HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="the extra 'ray' is not installed")


async def run(address: str) -> None:
    await RayEngine(address=address).run(LettersJob(["a"]), LogObserver())


@pytest.mark.parametrize("address", ["nonsense", "ray://head:10001", "head:port"])
async def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match=r"is neither HOST:PORT nor 'local' @ --ray-address"):
        await run(address)


async def test_where_nothing_listens_the_error_says_what_to_type() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ConfigError, match="nothing listens there") as caught:
        await run(address)
    assert f"there is no Ray cluster at {address}" in str(caught.value)
    assert "`ray start --head --port=6379`" in str(caught.value)


async def test_without_ray_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match="the engine 'ray' needs the extra 'ray'"):
        await run("local")


def test_importing_the_engine_imports_no_ray() -> None:
    code = "import sys; from leanebm.pipeline import RayEngine; RayEngine(); sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Unready(Unasked):
    """A policy, an energy model and an encoder without a table."""

    @staticmethod
    def check_ready() -> None:
        raise ValueError("there is no table")


STEP = KnownProof(theorem=Theorem(name="t", statement="True"), tactics=("a", "b"), states=("⊢ True", "⊢ True"))
RUNS: dict[str, Callable[[RunConfig, Path, Engine], SearchRun | EvaluationRun | ContrastiveRun]] = {
    "search": lambda config, folder, engine: SearchRun(config, [STEP.theorem], folder, engine=engine),
    "eval": lambda config, folder, engine: EvaluationRun({"a": config}, [STEP.theorem], folder, engine=engine),
    "generate-negatives": lambda config, folder, engine: ContrastiveRun(
        ContrastiveConfig(run=config), [STEP], folder, engine=engine
    ),
}


@pytest.mark.parametrize("parts", [{"policy": Unready}, {"energy_model": Unready}, {"encoder": Unready}])
@pytest.mark.parametrize("command", RUNS)
async def test_a_part_that_is_not_ready_is_told_of_before_a_cluster_is_asked_or_anything_written(
    tmp_path: Path, command: str, parts: dict[str, Any]
) -> None:
    energy = EnergyConfig(path=SHIPPED_HEAD if "encoder" in parts else None)
    config = RunConfig(parts=Parts(**parts), energy=energy)
    engine = RayEngine(address="127.0.0.1:1")  # nothing listens there
    with pytest.raises(ConfigError, match=r"Unready: there is no table @ \$\.parts\."):
        await RUNS[command](config, tmp_path / "out", engine).run()
    assert not list(tmp_path.iterdir())


@needs_ray
def test_a_part_that_cannot_be_sent_is_refused_in_words() -> None:
    job = LettersJob([threading.Lock()])  # type: ignore[list-item] # what an object of the user's own may hold
    with pytest.raises(ConfigError, match=r"cannot be sent to other machines: TypeError: .*lock") as caught:
        _packed(job)
    assert "Part(class, {'key': value})" in str(caught.value)


# --- with a cluster of two nodes, of Ray's own making -------------------------------------------

DRIVER = """
import asyncio, json, sys
import attrs
from leanebm.core import Theorem
from leanebm.pipeline import EvaluationRun, LocalEngine, RayEngine, SearchRun, read_run_config
from leanebm.search import BreadthFirst

settings, folder, address = sys.argv[1:]
theorems = [Theorem(name=f"p{number}", statement=f"P {number}") for number in range(1, 25)]
engine = RayEngine(address=address) if address else LocalEngine()
config = read_run_config(settings, [])
if folder.endswith("arms"):
    arms = {"plain": config, "broad": attrs.evolve(config, scorer=BreadthFirst())}
    run = EvaluationRun(arms, theorems[:6], folder, headroom=1, engine=engine)
else:
    run = SearchRun(config, theorems, folder, engine=engine)
asyncio.run(run.run())
"""

CHANCE_WORKER = Path(__file__).parents[3] / "benchmarks" / "_chance_worker.py"


def start(
    tmp_path: Path, folder: str, address: str = "", *, tactic_s: float = 0.0, expansions: int = 8
) -> subprocess.Popen[str]:
    argv = [sys.executable, "-I", "-S", str(CHANCE_WORKER), str(tactic_s)]
    backend = f'[lean]\nimports = []\nnum_workers = 1\n[lean.backend]\nkind = "command"\nargv = {json.dumps(argv)}\n'
    settings = tmp_path / "settings.toml"
    settings.write_text(f"concurrency = 2\n{backend}[search.budget]\nmax_expansions = {expansions}\n")
    command = [sys.executable, "-c", DRIVER, str(settings), str(tmp_path / folder), address]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def endings(folder: Path) -> dict[str, str]:
    return {record.theorem.name: record.outcome.value for record in summarise_run(folder).records}


def family_of_an_actor(cluster: RayCluster, run: subprocess.Popen[str]) -> list[psutil.Process]:
    """An actor that has begun to work, and everything it started."""
    while run.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ended since it was listed
            for actor in cluster.actors():
                children = psutil.Process(actor).children(recursive=True)
                if any(child.cmdline()[3:4] == [str(CHANCE_WORKER)] for child in children):
                    return [psutil.Process(actor), *children]
        time.sleep(0.01)
    raise AssertionError(run.communicate()[1])


@needs_ray
def test_two_nodes_one_of_which_is_killed_find_what_one_process_finds_and_refuse_to_go_on_otherwise(
    tmp_path: Path,
) -> None:
    alone = start(tmp_path, "alone")
    errors = alone.communicate()[1]
    assert alone.returncode == 0, errors
    with ray_cluster(2) as cluster:
        together = start(tmp_path, "together", cluster.address, tactic_s=0.02)
        victim, *started = family_of_an_actor(cluster, together)
        os.kill(victim.pid, signal.SIGKILL)
        psutil.wait_procs(started, timeout=60)
        assert [process for process in started if process.is_running()] == [], "the guard ends what Ray leaves"
        output, errors = together.communicate()
        assert together.returncode == 0, errors
        assert output == "", "standard output is for results"
        assert "the node was lost: ActorDiedError" in errors
        unlike = start(tmp_path, "together", cluster.address, tactic_s=0.02, expansions=9)
        errors = unlike.communicate()[1]
        assert unlike.returncode == 1
        assert "max_expansions: 9, not 8" in errors, "every node refuses, and the driver says why"
        arms = start(tmp_path, "together-arms", cluster.address)
        errors = arms.communicate()[1]
        assert arms.returncode == 0, errors
    alone = start(tmp_path, "alone-arms")
    errors = alone.communicate()[1]
    assert alone.returncode == 0, errors
    for arm in ("plain", "broad"):
        found, expected = (endings(tmp_path / where / "arms" / arm) for where in ("together-arms", "alone-arms"))
        assert found == expected
        assert len(found) == 6
    assert endings(tmp_path / "together") == endings(tmp_path / "alone")
    assert len(endings(tmp_path / "together")) == 24


DEADLY = """
import asyncio, os, signal, sys
from contextlib import asynccontextmanager
from pathlib import Path
import attrs
from leanebm.core import Theorem
from leanebm.pipeline import RayEngine, RunConfig, SearchRun, Workbench
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(32)

class Deadly:
    @asynccontextmanager
    async def open(self, theorem):
        if theorem.name == "deadly":
            os.kill(os.getpid(), signal.SIGKILL)
        async with WORLD.open(theorem) as session:
            yield session

@asynccontextmanager
async def opening(config, _):
    policy, certifier = ScriptedPolicy.over(WORLD), ToyCertifier(WORLD)
    yield Workbench(
        policy=policy, scorer=config.scorer, environment=Deadly(), certifier=certifier, lean_version="toy"
    )

names = ["deadly", "n3", "n5", "n7"]
theorems = [Theorem(name=name, statement=str(number)) for number, name in enumerate(names, 3)]
run = SearchRun(
    RunConfig(concurrency=1), theorems, Path(sys.argv[1]), engine=RayEngine(address=sys.argv[2]), opening=opening
)
asyncio.run(run.run())
"""


@needs_ray
def test_a_theorem_that_kills_every_actor_is_given_up_by_the_only_node_and_the_others_are_searched(
    tmp_path: Path,
) -> None:
    with ray_cluster(1) as cluster:
        command = [sys.executable, "-c", DEADLY, str(tmp_path / "out"), cluster.address]
        driver = subprocess.run(command, capture_output=True, text=True, check=False)
    assert driver.returncode == 0, driver.stderr
    assert driver.stderr.count("the node was lost: ActorDiedError") == MAX_LOSSES
    found = {record.theorem.name: record for record in summarise_run(tmp_path / "out").records}
    assert found.keys() == {"deadly", "n3", "n5", "n7"}
    assert found["deadly"].error == WHY_GIVEN_UP
    assert [name for name, record in found.items() if not record.is_final] == ["deadly"]
