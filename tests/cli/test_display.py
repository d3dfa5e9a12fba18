from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from leanebm.cli._display import GenerationTally, LiveDisplay, PlainDisplay, RunTally, display_on, one_line, tally_lines
from leanebm.core import ContrastiveGroup, Evidence, NegativeState, Theorem
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
from leanebm.testing import LOST, ManualClock, ScriptedPolicy, ToyCertifier, ToyWorld

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


WORLD = ToyWorld(moves={**ToyWorld.countdown(8).moves, "7": {"halve": LOST}, "5": {}})


async def searched(number: int) -> SearchResult:
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(WORLD),
        scorer=CumulativeLogProb(),
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
    )
    return await search.run(Theorem(name=f"n{number}", statement=str(number)))


async def test_each_ending_is_counted_where_it_belongs() -> None:
    tally = RunTally(clock=ManualClock())
    tally.take(RunStarted(RunFolder(Path("runs")), 4, 0))
    for number in (2, 5, 7):
        tally.take(TheoremFinished(await searched(number), None))
    tally.take(TheoremRefused(Theorem(name="bad", statement="x"), StatementError("parse", "no")))
    assert (tally.proved, tally.not_proved, tally.lost, tally.refused) == (1, 1, 1, 1)
    assert tally.done == tally.total == 4
    assert tally.newest_proof is not None
    assert tally.newest_proof.theorem.name == "n2"


async def test_a_finished_search_is_not_counted_twice() -> None:
    tally = RunTally(clock=ManualClock())
    result = await searched(4)
    tally.take(SearchAdvanced(theorem=result.theorem, nodes=2, tactic_calls=3))
    assert (tally.nodes, tally.tactic_calls) == (2, 3)
    tally.take(TheoremFinished(result, None))
    assert (tally.nodes, tally.tactic_calls) == (result.statistics.nodes, result.statistics.tactic_calls)


def test_the_rate_is_taken_from_the_start_of_searching() -> None:
    clock = ManualClock()
    tally = RunTally(clock=clock)
    assert tally.calls_per_s == 0.0
    clock.advance(100.0)
    tally.take(RunStarted(RunFolder(Path("runs")), 1, 0))
    tally.take(SearchAdvanced(theorem=Theorem(name="t", statement="1"), nodes=9, tactic_calls=30))
    clock.advance(10.0)
    assert tally.calls_per_s == pytest.approx(3.0)


def replayed(name: str, outcome: str = "verified", *evidence: Evidence, **fates: int) -> ProofReplayed:
    record = ContrastiveRecord(
        theorem=Theorem(name=name, statement="True"), run_id="r", outcome=outcome, num_steps=2, fates=fates
    )
    negatives = tuple(
        NegativeState(text="⊢ x", key=str(i), tactic="t", log_prob=-1.0, evidence=each)
        for i, each in enumerate(evidence)
    )
    group = ContrastiveGroup(
        theorem=name,
        parent_text="p",
        parent_key="p",
        positive_text="q",
        positive_key="q",
        positive_tactic="go",
        negatives=negatives,
        depth=0,
        remaining_depth=1,
        source="replay",
    )
    return ProofReplayed(record, (group,) if outcome == "verified" else ())


def test_it_adds_up_what_replays_gave() -> None:
    tally = GenerationTally()
    tally.take(GenerationStarted(folder=Path("data"), total=4, skipped=0, too_short=0))
    tally.take(replayed("a", "verified", Evidence.DEAD, Evidence.UNKNOWN, closed=3, provable=1))
    tally.take(replayed("b", "verified", Evidence.UNKNOWN))
    tally.take(replayed("c", "unfinished"))
    assert (tally.total, tally.done, tally.verified, tally.lost, tally.groups) == (4, 3, 2, 0, 2)
    assert tally.lines == ["verified 2 · failed 1    2 groups · 3 negatives (1 dead) · 4 dropped as provable"]
    tally.take(replayed("d", "infrastructure"))
    assert tally.lines[0].startswith("verified 2 · failed 1 · lost 1 ")
