from __future__ import annotations

from pathlib import Path

from leanebm.cli.generation_tally import GenerationTally
from leanebm.core import ContrastiveGroup, Evidence, NegativeState, Theorem
from leanebm.data import ContrastiveRecord
from leanebm.pipeline import GenerationStarted, ProofReplayed


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
