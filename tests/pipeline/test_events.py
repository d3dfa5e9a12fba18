from __future__ import annotations

import logging
from typing import Any

import attrs
import pytest

from leanebm.pipeline import LogObserver, StageFinished, StageProgressed, StageStarted, stage


@attrs.frozen
class Item:
    line: str
    is_trouble: bool = False


def test_a_stage_is_told_from_its_start_to_its_end(observer: Any) -> None:
    item = Item("one")
    with stage(observer, "searching", "2 theorems") as searching:
        searching.progressed("first", done=1, total=2, counts="proved 1", item=item)
    started, progressed, finished = observer.events
    assert started == StageStarted(stage="searching", detail="2 theorems")
    assert progressed == StageProgressed(stage="searching", step="first", done=1, total=2, counts="proved 1", item=item)
    assert isinstance(finished, StageFinished)
    assert finished.elapsed_s >= 0.0


def test_a_stage_that_fails_has_no_end(observer: Any) -> None:
    with pytest.raises(KeyError), stage(observer, "searching"):
        raise KeyError
    assert [type(event) for event in observer.events] == [StageStarted]


def test_what_a_script_sees_in_its_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="leanebm.pipeline"), stage(LogObserver(), "searching", "2") as searching:
        searching.progressed(done=0, total=2)
        searching.progressed(done=1, total=2, item=Item("four: proved by rfl -- \x1bc"))
        searching.progressed(done=2, total=2, item=Item("bad: no theorem", is_trouble=True))
    assert [record.levelname for record in caplog.records] == ["INFO", "DEBUG", "INFO", "WARNING", "INFO"]
    assert [record.message for record in caplog.records][2:4] == [
        r"searching: four: proved by rfl -- \u001bc",
        "searching: bad: no theorem",
    ]
