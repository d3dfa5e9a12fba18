from __future__ import annotations

import copy
import json
from pathlib import Path

import attrs
import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline import IterationManifest, StageRecord
from leanebm.pipeline.iteration.manifest import digest_of

RECORD = StageRecord(
    stage="rounds/0/head",
    seed=3,
    inputs={"aggregate": "ab"},
    output="cd",
    result={"sibling_accuracy": None, "verdict": "none", "lengths": [1, 2]},
    versions={"python": "3.11"},
    cost={"cpu_s": 1.5, "wall_s": 2.0},
)
MANIFEST = IterationManifest(
    settings={"alphas": (0.5, 1.0), "max_expansions": "none"}, theorems={"train": "ef"}, stages=(RECORD,)
)


def test_what_is_written_reads_back_equal(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "stage")
    MANIFEST.write(tmp_path)
    assert StageRecord.read(tmp_path / "stage") == RECORD
    read = IterationManifest.read(tmp_path)
    assert read is not None
    assert read.stages == (RECORD,)
    assert MANIFEST.differences(read) == read.differences(MANIFEST) == []


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert StageRecord.read(tmp_path) is None
    assert IterationManifest.read(tmp_path / "nowhere") is None


def test_differences_are_named_with_their_paths() -> None:
    other = attrs.evolve(MANIFEST, settings={"alphas": [0.5], "max_expansions": "none"}, theorems={"train": "00"})
    assert other.differences(MANIFEST) == ["$.alphas: [0.5], not [0.5, 1.0]", "$.theorems.train: '00', not 'ef'"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": 1}', '{"settings": {}, "theorems": {}, "format": 2}'])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    (tmp_path / "stage.json").write_text(text)
    for kind in (IterationManifest, StageRecord):
        with pytest.raises(ConfigError, match=r"cannot be read.*delete this file and go on with --resume"):
            kind.read(tmp_path)


@pytest.mark.parametrize("field", ["settings", "theorems"])
def test_a_manifest_whose_tables_are_none_is_refused(tmp_path: Path, field: str) -> None:
    table = {"settings": {}, "theorems": {}, field: [1]}
    (tmp_path / "manifest.json").write_text(json.dumps(table))
    with pytest.raises(ConfigError, match="cannot be read"):
        IterationManifest.read(tmp_path)


def test_a_figure_that_is_not_there_is_told_of_with_its_stage_and_who_wrote_it(tmp_path: Path) -> None:
    found = {"areas": {"alone": 0.5}}
    attrs.evolve(RECORD, result=found, versions={"leanebm": "0.0.9"}).write(tmp_path)
    record = StageRecord.read(tmp_path)
    assert record is not None
    assert record.result == found
    assert copy.deepcopy(record) == record
    with pytest.raises(ConfigError, match=r"of rounds/0/head has no 'proved'(.|\n)*leanebm 0\.0\.9, which wrote it"):
        record.result["proved"]
    with pytest.raises(ConfigError, match=r"of rounds/0/head, areas has no 'challenger'"):
        record.result["areas"]["challenger"]
    with pytest.raises(ConfigError, match=r"of rounds/0/head has no 'gpu_s'"):
        record.cost["gpu_s"]
    assert record.result.get("proved") is None


def test_a_digest_depends_on_every_value_and_not_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert len({digest_of(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, [1], "1", 1)}) == 6
