from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from leanebm.cli.display import LiveDisplay, PlainDisplay, display_on, one_line, tally_lines
from leanebm.core import Theorem
from leanebm.data import ContrastiveRecord
from leanebm.errors import StatementError
from leanebm.pipeline import (
    GenerationFinished,
    GenerationStarted,
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
from leanebm.search import BestFirstSearch, SearchResult
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

FOUR = Theorem(name="four", statement="4")


@pytest.fixture
async def result() -> SearchResult:
    world = ToyWorld.countdown(8)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
    )
    return await search.run(FOUR)


def shown(result: SearchResult, *, terminal: bool) -> tuple[str, list[str]]:
    """Everything a whole run prints, and the tally's lines before the end."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
    with display_on(console) as display:
        display.notify(StageStarted("preparing Lean"))
        display.notify(StageProgressed("preparing Lean", "downloading", 0.5))
        display.notify(StageProgressed("preparing Lean", "compiling", None))
        display.notify(StageFinished("preparing Lean", 61.0))
        display.notify(RunStarted(RunFolder(Path("runs/a")), 2, 1))
        display.notify(TheoremStarted(FOUR))
        display.notify(SearchAdvanced(theorem=FOUR, nodes=5, tactic_calls=9))
        lines = tally_lines(display.tally)
        display.notify(TheoremFinished(result, Path("runs/a/proofs/four.lean")))
        display.notify(TheoremRefused(Theorem(name="bad", statement="x"), StatementError("parse", "no")))
        display.notify(RunFinished(2.0))
        assert display.tally.done == 2
    output = console.file
    assert isinstance(output, io.StringIO)
    return output.getvalue(), lines


async def test_plain_lines_tell_a_whole_run(result: SearchResult) -> None:
    text, _ = shown(result, terminal=False)
    for words in (
        "preparing Lean: downloading …",
        "preparing Lean: done in 61.0 s",
        "searching 2 theorems (1 done before) into runs/a",
        "[1/2] proved",
        "[2/2] not a theorem  bad",
        "searching: done in 2.0 s",
    ):
        assert words in text
    assert "\x1b" not in text


async def test_a_terminal_is_given_a_live_region_and_gets_it_back(result: SearchResult) -> None:
    text, _ = shown(result, terminal=True)
    assert "preparing Lean: done in 61.0 s" in text
    assert "not a theorem: bad" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor, hidden and shown again


async def test_a_search_that_runs_is_counted_before_it_ends(result: SearchResult) -> None:
    _, lines = shown(result, terminal=False)
    assert lines[0].startswith("proved 0 · not proved 0")
    assert "5 nodes · 9 tactic calls" in lines[0]


async def test_the_newest_proof_is_shown(result: SearchResult) -> None:
    display = PlainDisplay(Console(file=io.StringIO()))
    display.notify(TheoremFinished(result, None))
    assert tally_lines(display.tally)[1].startswith("newest proof: four by ")


def test_the_display_suits_the_console() -> None:
    assert isinstance(display_on(Console(file=io.StringIO(), force_terminal=True)), LiveDisplay)
    assert isinstance(display_on(Console(file=io.StringIO())), PlainDisplay)


def test_a_long_proof_is_cut() -> None:
    assert one_line(("intro n", "induction n with\n| zero => rfl")) == "intro n; induction n with | zero => rfl"
    assert len(one_line(("x" * 500,))) == 80


def test_replays_are_told_one_by_one_on_paper_and_failures_only_on_a_terminal() -> None:
    texts = []
    for terminal in (False, True):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)
        with display_on(console) as display:
            display.notify(GenerationStarted(folder=Path("data/a"), total=2, skipped=1, too_short=3))
            display.notify(ProofReplayed(replay("good", fates={"kept": 4}, num_groups=2), ()))
            display.notify(
                ProofReplayed(replay("bad", outcome="tactic_rejected", failed_step=1, message="no\nway"), ())
            )
            display.notify(GenerationFinished(2.0))
            display.notify(StageStarted("auditing negatives"))
            display.notify(StageProgressed("auditing negatives", "1 of 2", 0.5))
            assert display.generation.done == 2
        assert isinstance(console.file, io.StringIO)
        texts.append(console.file.getvalue())
    plain, live = texts
    for words in (
        "replaying 2 known proofs (1 done before, 3 too short) into data/a",
        "[1/2] verified         good ",
        "2 groups    4 negatives",
        "step 1: no way",
        "replaying: done in 2.0 s",
    ):
        assert words in plain
    assert "tactic_rejected  bad" in live
    assert "verified 1 · failed 1    0 groups" in live
    assert "auditing negatives" in live


def replay(name: str, *, outcome: str = "verified", **more: Any) -> ContrastiveRecord:
    theorem = Theorem(name=name, statement="True")
    return ContrastiveRecord(theorem=theorem, run_id="r", outcome=outcome, num_steps=3, **more)
