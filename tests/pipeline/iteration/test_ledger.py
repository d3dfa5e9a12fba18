from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from leanebm.errors import LeanEbmError
from leanebm.pipeline import IterationManifest, LogObserver
from leanebm.pipeline.iteration._ledger import Found, Ledger

BURN = "import time\nwhile time.process_time() < 0.3: pass\nprint('burnt', flush=True)\ninput()"


async def test_a_stage_costs_what_a_worker_took_that_goes_on_after_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, IterationManifest(settings={}, theorems={}), LogObserver())
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", BURN, stdin=PIPE, stdout=PIPE)

    async def work(_: Path) -> Found:
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"burnt\n"
        return "", {}

    async def idle(_: Path) -> Found:
        return "", {}

    first = await ledger.stage("first", 0, {}, work)
    second = await ledger.stage("second", 0, {}, idle)
    await worker.communicate(b"\n")
    assert first.cost["cpu_s"] > 0.2
    assert second.cost["cpu_s"] < first.cost["cpu_s"]


async def test_who_goes_on_forgets_nothing_that_is_done(tmp_path: Path) -> None:
    manifest = IterationManifest(settings={}, theorems={})

    async def work(_: Path) -> Found:
        return "", {"figures": (1, 2)}

    async def do(*names: str) -> list[str]:
        ledger = Ledger(tmp_path, manifest, LogObserver())
        for name in names:
            await ledger.stage(name, 0, {}, work)
        now = IterationManifest.read(tmp_path)
        return [] if now is None else [record.stage for record in now.stages]

    await do("first", "second")
    assert await do("first") == ["first", "second"], "the second may be stopped before it is looked at"
    shutil.rmtree(tmp_path / "first")
    assert await do("first", "second", "third") == ["first", "second", "third"]


async def test_who_joined_does_not_write_beside_a_process_that_shares_nothing(tmp_path: Path) -> None:
    manifest = IterationManifest(settings={}, theorems={})
    Ledger(tmp_path, manifest, LogObserver()).begin()  # not within `showing_life`: it iterates alone, or not any more
    joined = Ledger(tmp_path, manifest, LogObserver(), gives_up_s=0.1)
    await joined.join()

    async def work(_: Path) -> Found:
        raise AssertionError("it was helped")

    with pytest.raises(LeanEbmError, match=r"no sign of life for 0\.1 s\. Start it with --engine shards"):
        await joined.stage("first", 0, {}, work, shared=work)


async def test_who_joined_with_a_shorter_lease_goes_by_that_of_the_process_that_iterates(tmp_path: Path) -> None:
    manifest = IterationManifest(settings={}, theorems={})
    driver = Ledger(tmp_path, manifest, LogObserver())
    joined = Ledger(tmp_path, manifest, LogObserver(), gives_up_s=0.05)
    driver.begin()
    looks = 0

    def look() -> bool | None:
        nonlocal looks
        looks += 1
        return looks > 3 or None

    with driver.showing_life(600.0):  # a beat in 100 s
        while not (tmp_path / "alive").exists():  # noqa: ASYNC110 - a thread makes it
            await asyncio.sleep(0.01)
        assert await joined._awaited(look)
        assert looks == 4, "the second beat would come long after its own lease"
    with pytest.raises(LeanEbmError, match=r"no sign of life for 0\.05 s"):
        await joined._awaited(lambda: None)
    (tmp_path / "alive").write_text("7-200")  # of one that was killed
    with pytest.raises(LeanEbmError, match=r"no sign of life for 0\.2 s"):
        await joined._awaited(lambda: None)
