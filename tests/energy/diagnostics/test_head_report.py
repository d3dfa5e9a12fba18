from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import pyarrow.parquet as pq
import pytest

from leanebm.energy.diagnostics import (
    CalibrationBasis,
    HeadReport,
    SiblingSet,
    TrainingFacts,
    diagnose,
    save_validation,
)
from leanebm.errors import ConfigError, EnergyError

from .planted import Examined, planted_energies, planted_groups


def test_a_diagnosis_comes_back_as_it_was_written(healthy: Examined, tmp_path: Path) -> None:
    diagnosis, *_ = healthy
    assert diagnosis.write(tmp_path) == tmp_path / "diagnosis.json"
    assert HeadReport.read(tmp_path) == diagnosis


def test_the_file_is_json_that_everyone_reads(noise: Examined, tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads(noise[0].write(tmp_path).read_text(), parse_constant=refuse)
    assert document["schema_version"] == 2
    assert document["verdict"]["grade"] == "no better than chance"


def test_decision_points_alone_are_enough() -> None:
    groups = planted_groups()
    diagnosis = diagnose(SiblingSet.from_groups(groups, planted_energies(groups)))
    assert diagnosis.fit.basis is CalibrationBasis.SIBLINGS
    assert "auc_frontier" not in diagnosis.metrics
    assert diagnosis.metrics["pairwise_sibling"].value is not None


def test_no_decision_points_at_all_are_untested_and_not_a_crash() -> None:
    diagnosis = diagnose(SiblingSet.from_groups([], {}))
    assert diagnosis.verdict.grade.value == "untested"
    assert diagnosis.metrics["pairwise_sibling"].value is None


def test_queues_are_ordered_by_each_and_by_both(healthy: Examined) -> None:
    found = healthy[0].metrics
    energy, policy, both = (found[f"auc_frontier{name}"].value for name in ("", "_policy", "_sum"))
    assert energy == pytest.approx(0.855, abs=0.04)  # Φ(1.5/√2), as planted
    assert policy == pytest.approx(0.76, abs=0.05)  # Φ(0.8/0.8/√2)
    assert energy is not None
    assert policy is not None
    assert both is not None
    assert both > max(energy, policy)


def test_without_weight_both_are_the_policy_alone(noise: Examined) -> None:
    assert noise[0].fit.calibration.beta == 0.0
    assert noise[0].metrics["auc_frontier_sum"] == noise[0].metrics["auc_frontier_policy"]


def test_training_says_what_it_knows() -> None:
    facts = TrainingFacts(steps=10, skipped_steps=2, log_scale=0.1, train_pairwise=0.9)
    assert set(facts.metrics()) == {"train_pairwise", "log_scale", "skipped_steps"}
    assert (facts.metrics()["skipped_steps"].value, facts.metrics()["skipped_steps"].count) == (2.0, 10)
    audited = attrs.evolve(facts, audited_negatives=40, provable_negatives=4).metrics()["fn_audit_rate"]
    assert (audited.value, audited.count) == (0.1, 40)


def test_the_states_behind_it_are_one_row_each(healthy: Examined, tmp_path: Path) -> None:
    _, siblings, frontiers = healthy
    table = pq.read_table(save_validation(tmp_path, siblings, frontiers)).to_pylist()
    assert len(table) == len(siblings) + siblings.mask.sum() + len(frontiers.energy)
    on_path = [row for row in table if row["part"] == "siblings" and row["on_path"]]
    assert [row["energy"] for row in on_path] == siblings.positive_energy.tolist()
    assert [row["remaining"] for row in on_path] == siblings.remaining.tolist()
    queues = [row for row in table if row["part"] == "frontiers"]
    assert [row["log_prob"] for row in queues] == frontiers.path_log_prob.tolist()
    assert [row["group"] for row in queues] == frontiers.snapshot.tolist()
    assert {row["remaining"] for row in queues} == {None}


@pytest.mark.parametrize("theorems", [0, 1])
def test_few_states_are_kept_as_well(theorems: int, tmp_path: Path) -> None:
    groups = [attrs.evolve(group, positive_log_prob=None, negatives=()) for group in planted_groups(theorems=theorems)]
    path = save_validation(tmp_path, SiblingSet.from_groups(groups, planted_energies(groups)), None)
    assert [row["log_prob"] for row in pq.read_table(path).to_pylist()] == [None] * len(groups)


def test_a_missing_file_is_reported_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train-ebm"):
        HeadReport.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:100], "cannot be read"),
        (lambda text: text.replace('"schema_version": 2', '"schema_version": 3'), "schema version 3"),
        (
            lambda _: '{"schema_version": 3, "about": {"leanebm": "7.1.0"}}',
            r"it with leanebm 7\.1\.0, which",
        ),
        (lambda _: "[]", "schema version None"),
        (lambda text: text.replace('"alarms"', '"alarm"'), "not a diagnosis"),
        (lambda text: text.replace('"grade": "promoted"', '"grade": "great"'), "not a diagnosis"),
    ],
)
def test_a_damaged_file_is_an_error_and_not_half_a_diagnosis(
    healthy: Examined, tmp_path: Path, change: object, message: str
) -> None:
    path = healthy[0].write(tmp_path)
    assert callable(change)
    path.write_text(change(path.read_text()))
    with pytest.raises(EnergyError, match=message):
        HeadReport.read(tmp_path)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"schema_version": ' + "[" * 900 + "]" * 900 + "}"])
def test_a_file_nested_without_end_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "diagnosis.json").write_text(text)
    with pytest.raises(EnergyError, match=r"diagnosis\.json"):
        HeadReport.read(tmp_path)


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "diagnosis.json")
    with pytest.raises(EnergyError, match="it is a pipe, and only regular files are read"):
        HeadReport.read(tmp_path)
