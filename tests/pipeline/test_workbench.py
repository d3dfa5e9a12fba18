from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import (
    RunConfig,
    SearchAdvanced,
    StageFinished,
    StageStarted,
    open_workbench,
    prove,
    read_run_config,
    theorem_of,
    to_toml,
)
from leanebm.search import SearchOutcome
from leanebm.testing.fake_worker import fake_worker_argv


@pytest.fixture
def fake_lean() -> RunConfig:
    """Settings of a run over fake workers, with the real embedded policy server."""
    backend = CommandBackend(argv=fake_worker_argv())
    return RunConfig(lean=LeanPoolConfig(backend=backend, num_workers=1))


async def test_the_parts_are_started_told_of_and_work_together(fake_lean: RunConfig, observer: Any) -> None:
    theorem = Theorem(name="toy", statement="anything")
    async with open_workbench(fake_lean, observer) as bench:
        result = await bench.search(theorem, fake_lean.search, observer)
    # The fake worker knows none of the tactics that the template policy proposes.
    assert result.outcome is SearchOutcome.EXHAUSTED
    assert result.statistics.tactic_rejected == result.statistics.tactic_calls > 0
    stages = [event.stage for event in observer.events if isinstance(event, StageStarted)]
    assert stages == ["starting the policy server", "reaching the policy server", "starting a Lean worker"]
    assert stages == [event.stage for event in observer.events if isinstance(event, StageFinished)]
    assert any(isinstance(event, SearchAdvanced) for event in observer.events)


async def test_a_replayed_proof_is_certified(fake_lean: RunConfig) -> None:
    attempt = await prove(theorem_of("P"), fake_lean, tactics=["step", "done"])
    assert attempt.outcome == "proved"
    assert attempt.certificate is not None
    assert attempt.certificate.backend == "command"
    attempt = await prove(theorem_of("P"), fake_lean, tactics=["sorry"])
    assert not attempt.is_proved


async def test_a_search_survives_its_worker(fake_lean: RunConfig, tmp_path: Path) -> None:
    backend = CommandBackend(argv=fake_worker_argv(marker=tmp_path / "marker"))
    config = attrs.evolve(fake_lean, lean=attrs.evolve(fake_lean.lean, backend=backend))
    attempt = await prove(theorem_of("P"), config, tactics=["step", "die once", "done"])
    assert attempt.outcome == "proved"


def test_a_backend_of_ones_own_can_be_written_down(fake_lean: RunConfig, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(to_toml(fake_lean))
    assert read_run_config(path) == fake_lean
