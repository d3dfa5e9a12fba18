from __future__ import annotations

import json
from pathlib import Path

import pytest

from leanebm.core import Evidence, SearchOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline import AuditedNegative, ContrastiveFolder, ContrastiveReport, NegativeAudit


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
