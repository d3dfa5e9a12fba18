from __future__ import annotations

import pytest
from letters_job import LettersJob

from leanebm.pipeline import LocalEngine, LogObserver


async def test_everything_that_waits_is_worked_on_and_is_on_the_disk_at_the_end() -> None:
    job = LettersJob(["a", "before", "b", "c"], written=["before"])
    ended = await LocalEngine().run(job, LogObserver())
    assert [one.name for one in ended] == ["a", "b", "c"]
    assert job.written == ["before", "a", "b", "c"]
    assert job.parts == [None], "the folder is all its own"


async def test_what_breaks_a_station_ends_the_job() -> None:
    with pytest.raises(ExceptionGroup, match="unhandled"):
        await LocalEngine().run(LettersJob(["a", "broken"]), LogObserver())
