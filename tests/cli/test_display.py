from __future__ import annotations

import io
from collections.abc import Callable

import attrs
import pytest
from rich.console import Console

from leanebm.cli._display import LiveDisplay, PlainDisplay, open_display
from leanebm.pipeline import Observer, StageFinished, StageStarted, stage
from leanebm.testing import ManualClock


@attrs.frozen
class Item:
    line: str
    is_trouble: bool = False


def work(observer: Observer) -> None:
    """A whole job."""
    observer.notify(StageStarted(stage="preparing Lean"))
    observer.notify(StageFinished(stage="preparing Lean", elapsed_s=61.0))
    with stage(observer, "fetching") as fetching:
        fetching.progressed("downloading", done=50, total=100)
        fetching.progressed("downloading", done=51, total=100)
        fetching.progressed("compiling")
    with stage(observer, "searching", "2 theorems into runs/a") as searching:
        searching.progressed(done=0, total=2, counts="proved 0 · 5 nodes")
        searching.progressed(done=1, total=2, counts="proved 1\nnewest proof: rfl", item=Item("proved  four"))
        searching.progressed(done=2, total=2, counts="proved 1", item=Item("not a theorem  bad", is_trouble=True))


def output_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_plain_lines_tell_a_whole_job() -> None:
    console = Console(file=io.StringIO(), width=120)
    with open_display(console) as display:
        work(display)
    assert output_of(console).splitlines() == [
        "preparing Lean: done in 61.0 s",
        "fetching: downloading …",
        "fetching: compiling …",
        "searching 2 theorems into runs/a",
        "[1/2] proved  four",
        "[2/2] not a theorem  bad",
    ]


def test_the_numbers_of_a_log_stand_in_one_column() -> None:
    console = Console(file=io.StringIO(), width=120)
    with open_display(console) as display, stage(display, "searching") as searching:
        searching.progressed(done=9, total=10, item=Item("proved  nine"))
        searching.progressed(done=10, total=10, item=Item("proved  ten"))
    assert output_of(console).splitlines() == ["[ 9/10] proved  nine", "[10/10] proved  ten"]


def test_a_log_is_told_now_and_then_how_far_a_quiet_stage_is() -> None:
    console, clock = Console(file=io.StringIO(), width=120), ManualClock()
    display = PlainDisplay(console, clock)
    with stage(display, "encoding") as encoding:
        for done in range(1, 8):
            clock.advance(10.0)
            encoding.progressed(done=1000 * done, total=7000, counts="from the cache: 3")
    assert output_of(console).splitlines() == [
        "encoding: 3,000/7,000 · from the cache: 3 · (0:00:40 left)",
        "encoding: 6,000/7,000 · from the cache: 3 · (0:00:10 left)",
    ]


def test_a_terminal_is_given_a_live_region_and_gets_it_back() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with open_display(console) as display:
        work(display)
    text = output_of(console)
    for line in ("preparing Lean: done in 61.0 s", "searching 2 theorems into runs/a", "not a theorem  bad"):
        assert line in text
    assert "proved  four" not in text  # it is in the counts
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor, hidden and shown again


@pytest.mark.parametrize(
    ("progress", "shown"),
    [
        (lambda stage: stage.progressed("compiling"), ["compiling"]),
        (lambda stage: stage.progressed(done=1200), ["1,200"]),
        (lambda stage: stage.progressed("reading", done=3, total=8), ["reading 3/8"]),
        (lambda stage: stage.progressed(done=3, total=8, counts="one\ntwo"), ["3/8", "one", "two"]),
    ],
)
def test_the_live_region_says_how_far_a_stage_is(progress: Callable[..., None], shown: list[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    display = LiveDisplay(console)
    with stage(display, "working") as working:
        progress(working)
        with console.capture() as captured:
            console.print(display._render())
    assert all(text in captured.get() for text in ("working", *shown))


def test_the_display_suits_the_console() -> None:
    with open_display(Console(file=io.StringIO(), force_terminal=True)) as display:
        assert isinstance(display, LiveDisplay)
    with open_display(Console(file=io.StringIO())) as display:
        assert isinstance(display, PlainDisplay)
