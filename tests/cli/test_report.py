from __future__ import annotations

import io
from pathlib import Path

import attrs
import pytest
from rich.console import Console

from leanebm.cli._report import print_summary
from leanebm.core import CertificationRejected, SearchOutcome, Theorem
from leanebm.pipeline import RunSummary
from leanebm.trajectory import TheoremRecord, TrajectorySummary


def record(number: int, outcome: str, *, error: str | None = None, rejected: str = "") -> TheoremRecord:
    theorem = Theorem(name=f"t{number}", statement="P")
    rejections = (CertificationRejected(theorem=theorem, source="", tactics=(), reason="axioms", message=rejected),)
    return TheoremRecord(
        theorem=theorem,
        run_id="r",
        outcome=SearchOutcome(outcome),
        rejections=rejections if rejected else (),
        error=error,
        started_unix_s=0.0,
        nodes=1,
        expansions=1,
        tactic_calls=1,
        wall_s=1.0,
    )


def printed(*records: TheoremRecord, folder: Path | None = None, waited_s: float = 0.0) -> str:
    def count(outcome: str) -> int:
        return sum(each.outcome == outcome for each in records)

    totals = TrajectorySummary(
        attempted=len(records),
        proved=count("proved"),
        certified=count("proved"),
        rejected=count("rejected"),
        infrastructure=count("infrastructure"),
        exhausted=count("exhausted"),
        budget_spent=count("budget_spent"),
        rejections=0,
        nodes=len(records),
        expansions=len(records),
        tactic_calls=1234,
        wall_s=1.0,
        policy_s=0.5,
        policy_wait_s=waited_s,
        lean_s=1.0,
        score_s=0.0,
        certify_s=0.0,
    )
    console = Console(file=io.StringIO(), width=200)
    print_summary(console, RunSummary(path=Path("runs/a/trajectory"), totals=totals, records=records), folder=folder)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_only_endings_that_occurred_are_listed() -> None:
    text = printed(record(1, "exhausted"), record(2, "exhausted"))
    assert "0 of 2 theorems proved and certified" in text
    assert "2  exhausted" in text
    assert "budget_spent" not in text
    assert "1,234 tactic calls" in text


def test_what_broke_and_what_was_rejected_is_told_with_its_reason() -> None:
    text = printed(record(1, "infrastructure", error="the worker died"), record(2, "rejected", rejected="uses sorryAx"))
    assert "t1: the worker died" in text
    assert "t2: uses sorryAx" in text


def test_many_reasons_are_cut_short() -> None:
    text = printed(*(record(number, "infrastructure", error="gone") for number in range(13)))
    assert text.count(": gone") == 10
    assert "… and 3 more" in text


@pytest.mark.parametrize("folder", [None, Path("runs/a")])
def test_a_finished_run_says_where_its_proofs_are(folder: Path | None) -> None:
    assert ("runs/a/proofs" in printed(record(1, "exhausted"), folder=folder)) == (folder is not None)


def test_what_was_said_of_many_proofs_is_said_once() -> None:
    again = record(1, "rejected", rejected="uses sorry")
    many = attrs.evolve(again, rejections=again.rejections * 37)
    assert "t1: uses sorry (37 proofs)" in printed(many)
    assert "t1: uses sorry\n" in printed(again)


def test_what_was_waited_in_queues_is_told_where_it_was_any() -> None:
    assert "policy 0.5 s, scores" in printed(record(1, "exhausted"))
    assert "policy 0.5 s of which 0.2 s in a queue, scores" in printed(record(1, "exhausted"), waited_s=0.2)
