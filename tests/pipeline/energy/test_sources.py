from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leanebm.core import ContrastiveGroup, Evidence, SearchOutcome, Theorem
from leanebm.data import ContrastiveRecord, ContrastiveWriter, ReplayOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline import AuditedNegative, ContrastiveFolder, ContrastiveReport, NegativeAudit
from leanebm.pipeline.energy.sources import Lessons
from leanebm.storage import RunInfo

GROUP = ContrastiveGroup(
    theorem="t",
    parent_text="⊢ p",
    parent_key="p",
    positive_text="⊢ q",
    positive_key="q",
    positive_tactic="go",
    negatives=(),
    depth=0,
    remaining_depth=1,
    source="replay",
)

RUN = RunInfo(
    run_id="r", started_unix_s=0.0, seed=0, backend="embedded", lean_version="4", leanebm_version="0", config={}
)


async def negatives(path: Path, *outcomes: SearchOutcome) -> Path:
    """A folder with a group, whose negatives were audited with these outcomes."""
    folder = ContrastiveFolder(path)
    record = ContrastiveRecord(
        theorem=Theorem(name="t", statement="p"), run_id="r", outcome=ReplayOutcome.VERIFIED, num_steps=1, num_groups=1
    )
    async with ContrastiveWriter(folder.groups, run=RUN) as writer:
        await writer.write(record, [GROUP])
    audited = tuple(
        AuditedNegative(theorem="t", path=("go",), evidence=Evidence.UNKNOWN, outcome=SearchOutcome(outcome))
        for outcome in outcomes
    )
    audit = NegativeAudit(audited=audited, groups=1, ended_unix_s=1.0) if outcomes else None
    folder.write_report(attrs.evolve(ContrastiveReport.of((), ()), audit=audit))
    return path


async def test_what_audits_found_is_added_up(tmp_path: Path) -> None:
    one = await negatives(tmp_path / "one", SearchOutcome.PROVED, SearchOutcome.EXHAUSTED, SearchOutcome.INFRASTRUCTURE)
    other = await negatives(tmp_path / "other", SearchOutcome.EXHAUSTED)
    unaudited = await negatives(tmp_path / "unaudited")
    lessons = Lessons.read((), (one, other, unaudited))
    assert (lessons.audited_negatives, lessons.provable_negatives) == (3, 1)
    assert lessons.groups == (GROUP, GROUP, GROUP)


async def test_groups_are_found_from_their_folder_and_from_the_one_above(tmp_path: Path) -> None:
    folder = await negatives(tmp_path)
    assert Lessons.read((), (folder,)).groups == Lessons.read((), (ContrastiveFolder(folder).groups,)).groups


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to learn from"):
        Lessons.read((), ())
