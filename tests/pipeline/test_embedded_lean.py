from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import leanebm.pipeline.embedded_lean
from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import InstallProgress, InstallStage
from leanebm.pipeline import StageProgressed
from leanebm.pipeline.embedded_lean import prepare_embedded_lean


def replace_install(monkeypatch: pytest.MonkeyPatch, install: Any) -> None:
    monkeypatch.setattr(leanebm.pipeline.embedded_lean, "install", install)


async def test_progress_of_the_thread_arrives_on_the_loop(monkeypatch: pytest.MonkeyPatch, observer: Any) -> None:
    def install(progress: InstallProgress) -> None:
        progress(InstallStage.DOWNLOAD, 0.5)
        progress(InstallStage.COMPILE, None)

    replace_install(monkeypatch, install)
    loop_thread = threading.current_thread()
    threads = []
    observer.react = lambda _: threads.append(threading.current_thread())
    await prepare_embedded_lean(observer)
    await asyncio.sleep(0)
    assert [(event.step, event.fraction) for event in observer.events] == [
        ("downloading", 0.5),
        ("compiling the REPL", None),
    ]
    assert all(isinstance(event, StageProgressed) for event in observer.events)
    assert set(threads) == {loop_thread}


async def test_cancelling_ends_the_installation_at_its_next_step(
    monkeypatch: pytest.MonkeyPatch, observer: Any
) -> None:
    started, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def install(progress: InstallProgress) -> None:
        try:
            started.set()
            may_go_on.wait()
            progress(InstallStage.UNPACK, None)
            pytest.fail("it went on")
        finally:
            ended.set()

    replace_install(monkeypatch, install)
    task = asyncio.create_task(prepare_embedded_lean(observer))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_go_on.set()
    await asyncio.to_thread(ended.wait)
    assert observer.events == []


async def test_what_is_wrong_is_raised(monkeypatch: pytest.MonkeyPatch, observer: Any) -> None:
    def install(_: InstallProgress) -> None:
        raise LeanInstallError("no network")

    replace_install(monkeypatch, install)
    with pytest.raises(LeanInstallError, match="no network"):
        await prepare_embedded_lean(observer)
