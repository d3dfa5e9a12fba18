from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, Evidence, NegativeState, SearchOutcome, TacticFate, Theorem
from leanebm.data import ContrastiveRecord, ReplayOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline import (
    AuditedNegative,
    ContrastiveFolder,
    ContrastiveReport,
    LabelConflicts,
    NegativeAudit,
    TierCounts,
)


def test_the_groups_are_found_from_either_folder(tmp_path: Path) -> None:
    folder = ContrastiveFolder(tmp_path)
    assert ContrastiveFolder.groups_in(tmp_path) == tmp_path, "there is no folder in it yet"
    folder.groups.mkdir()
    assert ContrastiveFolder.groups_in(tmp_path) == ContrastiveFolder.groups_in(folder.groups) == folder.groups


def test_a_report_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    folder = ContrastiveFolder(tmp_path / "new")
    folder.write_report(ContrastiveReport.of((), (), too_short=1))
    folder.write_report(ContrastiveReport.of((), (), too_short=2))
    assert json.loads(folder.report.read_text())["too_short"] == 2
    assert list(folder.path.iterdir()) == [folder.report]


def test_an_audit_is_read_back_as_it_was(tmp_path: Path) -> None:
    folder = ContrastiveFolder(tmp_path)
    assert folder.read_audit() is None
    folder.write_report(ContrastiveReport.of((), ()))
    assert folder.read_audit() is None
    negative = AuditedNegative(
        theorem="t",
        path=("go", "left"),
        evidence=Evidence.DEAD,
        outcome=SearchOutcome.PROVED,
        proof=("end",),
        error="é",
    )
    audit = NegativeAudit(audited=(negative, negative), groups=7, ended_unix_s=1.5)
    folder.write_report(ContrastiveReport.of((), (), audit=audit))
    assert folder.read_audit() == audit


@pytest.mark.parametrize("report", ["", "[1]", '{"audit": 1}', '{"audit": {}}', "[" * 10**5, "\0"])
def test_a_report_that_is_none_of_ours_is_named(tmp_path: Path, report: str) -> None:
    folder = ContrastiveFolder(tmp_path)
    folder.report.write_text(report)
    with pytest.raises(ConfigError, match=r"report\.json"):
        folder.read_audit()


def group(theorem: str, positive: str, *negatives: str, evidence: Evidence = Evidence.UNKNOWN) -> ContrastiveGroup:
    return ContrastiveGroup(
        theorem=theorem,
        parent_text="p",
        parent_key="p",
        positive_text=f"⊢ {positive}",
        positive_key=positive,
        positive_tactic="go",
        positive_log_prob=-1.0 if positive == "a" else None,
        negatives=tuple(
            NegativeState(text=f"⊢ {key}", key=key, tactic="t", log_prob=-1.0, evidence=evidence) for key in negatives
        ),
        depth=0,
        remaining_depth=1,
        source="replay",
    )


def record(name: str, outcome: ReplayOutcome = ReplayOutcome.VERIFIED, **fates: int) -> ContrastiveRecord:
    return ContrastiveRecord(
        theorem=Theorem(name=name, statement="True"),
        run_id="r",
        outcome=outcome,
        message="" if outcome is ReplayOutcome.VERIFIED else "because",
        failed_step=2 if outcome is ReplayOutcome.TACTIC_REJECTED else -1,
        num_steps=3,
        fates={TacticFate(fate): count for fate, count in fates.items()},
        tactic_calls=10,
        wall_s=2.0,
        policy_s=0.25,
        lean_s=1.0,
        certify_s=0.5,
    )


GROUPS = (
    group("t", "a", "x", "y", evidence=Evidence.DEAD),
    group("t", "b", "x"),
    group("u", "x", "z"),
    group("u", "c"),
)


def test_everything_is_counted() -> None:
    records = (
        record("t", kept=3, rejected=4),
        record("u", kept=1, closed=2),
        record("v", ReplayOutcome.TACTIC_REJECTED),
    )
    report = ContrastiveReport.of(records, GROUPS, too_short=7)
    assert (report.proofs, report.too_short, report.groups, report.groups_with_negatives) == (3, 7, 4, 3)
    assert report.outcomes == {
        outcome: {"verified": 2, "tactic_rejected": 1}.get(outcome, 0) for outcome in ReplayOutcome
    }
    assert report.failures == {"v": "tactic_rejected at step 2: because"}
    assert report.negatives == {"dead": 2, "unknown": 2}
    assert report.fates == {"kept": 4, "rejected": 4, "closed": 2}
    assert report.proposed_steps == 1
    assert (report.tactic_calls, report.wall_s, report.policy_s, report.lean_s, report.certify_s) == (
        30,
        6,
        0.75,
        3,
        1.5,
    )


def test_the_report_is_json_with_its_rates() -> None:
    report = ContrastiveReport.of(
        (record("t"), record("u")), GROUPS, audit=NegativeAudit(audited=(), groups=2, ended_unix_s=1.0)
    )
    values = json.loads(json.dumps(report.as_json()))
    assert values["conflicts"]["rate"] == report.conflicts.rate
    assert values["audit"] == {
        "decided": 0,
        "false": 0,
        "rate": None,
        "interval": [0.0, 1.0],
        "groups": 2,
        "ended_unix_s": 1.0,
        "audited": [],
    }
    assert ContrastiveReport.of((), ()).as_json()["audit"] is None


def test_a_state_with_both_labels_is_a_conflict() -> None:
    conflicts = LabelConflicts.of(GROUPS)
    assert (conflicts.states, conflicts.conflicting) == (6, 1)
    assert (conflicts.texts, conflicts.conflicting_texts, conflicts.rate) == (6, 1, 1 / 6)
    assert LabelConflicts.of(()).rate == 0.0


def test_states_that_only_read_alike_conflict_by_text() -> None:
    twin = attrs.evolve(group("u", "other"), positive_text="⊢ x")
    conflicts = LabelConflicts.of([group("t", "a", "x"), twin])
    assert (conflicts.conflicting, conflicts.conflicting_texts) == (0, 1)


names = st.sampled_from("tuv")

keys = st.lists(st.sampled_from("abcdef"), max_size=3, unique=True)


@given(st.lists(st.tuples(names, keys), max_size=6))
def test_tiers_are_what_forming_every_pair_would_count(shapes: list[tuple[str, list[str]]]) -> None:
    groups = [group(name, "a", *negatives) for name, negatives in shapes]
    tiers = TierCounts.of(groups)
    pool = {(each.theorem, negative.key) for each in groups for negative in each.negatives}
    own = [{negative.key for negative in each.negatives} for each in groups]
    pairs = [(number, name, key) for number, (name, key) in product(range(len(groups)), pool)]
    assert tiers.sibling == sum(map(len, own))
    assert tiers.same_theorem == sum(groups[n].theorem == name and key not in own[n] for n, name, key in pairs)
    assert tiers.other_theorem == sum(groups[n].theorem != name for n, name, _ in pairs)
