from __future__ import annotations

import json
from pathlib import Path

from leanebm.pipeline import ContrastiveFolder, ContrastiveReport


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
