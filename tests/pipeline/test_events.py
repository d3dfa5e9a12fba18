from __future__ import annotations

import logging
from pathlib import Path
from typing import get_args

import pytest

from leanebm.core import Theorem
from leanebm.data import ContrastiveRecord
from leanebm.errors import StatementError
from leanebm.pipeline import (
    GenerationFinished,
    GenerationStarted,
    LogObserver,
    PipelineEvent,
    ProofReplayed,
    RunFinished,
    RunFolder,
    RunStarted,
    SearchAdvanced,
    StageFinished,
    StageProgressed,
    StageStarted,
    TheoremFinished,
    TheoremRefused,
    TheoremStarted,
)
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld


async def test_every_event_can_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = ToyWorld.countdown(4)
    two = Theorem(name="two", statement="2")
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
    )
    events: list[PipelineEvent] = [
        StageStarted("preparing"),
        StageProgressed("preparing", "downloading", 0.25),
        StageFinished("preparing", 1.0),
        RunStarted(RunFolder(Path("runs/a")), 1, 0),
        TheoremStarted(two),
        SearchAdvanced(theorem=two, nodes=1, tactic_calls=0),
        TheoremFinished(await search.run(two), None),
        TheoremRefused(two, StatementError("parse", "no")),
        RunFinished(2.0),
        GenerationStarted(folder=Path("data/a"), total=1, skipped=0, too_short=0),
        ProofReplayed(ContrastiveRecord(theorem=two, run_id="r", outcome="verified", num_steps=2, num_groups=1), ()),
        GenerationFinished(2.0),
    ]
    assert {type(event) for event in events} == set(get_args(PipelineEvent))
    with caplog.at_level(logging.DEBUG, logger="leanebm.pipeline"):
        for event in events:
            LogObserver().notify(event)
    assert len(caplog.records) == len(events)
    assert "two: proved" in caplog.text
