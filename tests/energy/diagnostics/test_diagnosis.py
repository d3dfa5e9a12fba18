from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from leanebm.energy.diagnostics import (
    METRICS,
    CalibrationBasis,
    HeadReport,
    SiblingSet,
    ValidationStates,
    diagnose,
)
from leanebm.errors import EnergyError

from .planted import planted_energies, planted_groups

Examined = tuple[HeadReport, ValidationStates]


def test_a_diagnosis_comes_back_as_it_was_written(healthy: Examined, tmp_path: Path) -> None:
    diagnosis, _ = healthy
    assert diagnosis.write(tmp_path) == tmp_path / "diagnosis.json"
    assert HeadReport.read(tmp_path) == diagnosis


def test_the_file_is_json_that_everyone_reads(noise: Examined, tmp_path: Path) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads(noise[0].write(tmp_path).read_text(), parse_constant=refuse)
    assert document["schema_version"] == 1
    assert document["verdict"]["grade"] == "no better than chance"


def test_every_figure_is_explained(healthy: Examined) -> None:
    explained = {info.name for info in METRICS}
    unexplained = {name for name in healthy[0].metrics if not name.startswith("ece_depth_")} - explained
    assert unexplained == set()


def test_figures_fit_a_checkpoints_header(healthy: Examined) -> None:
    figures = healthy[0].figures()
    assert figures["pairwise_sibling"] == healthy[0].metrics["pairwise_sibling"].value
    assert all(isinstance(value, float) for value in figures.values())


def test_decision_points_alone_are_enough() -> None:
    groups = planted_groups()
    diagnosis = diagnose(SiblingSet.from_groups(groups, planted_energies(groups)))
    assert diagnosis.fit.basis is CalibrationBasis.SIBLINGS
    assert "auc_frontier" not in diagnosis.metrics
    assert diagnosis.metrics["ece15"].value is not None


def test_no_decision_points_at_all_are_untested_and_not_a_crash() -> None:
    diagnosis = diagnose(SiblingSet.from_groups([], {}))
    assert diagnosis.verdict.grade.value == "untested"
    assert math.isnan(diagnosis.figures()["pairwise_sibling"])


def test_units_of_another_search_are_told(healthy: Examined) -> None:
    diagnosis, states = healthy
    again = diagnose(states.siblings, frontiers=states.frontiers, in_use=diagnosis.fit.calibration)
    assert again.metrics["queue_std_ratio"].value == pytest.approx(1.0)


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="train-ebm"):
        HeadReport.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:100], "cannot be read"),
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), "schema version 2"),
        (lambda _: "[]", "schema version None"),
        (lambda text: text.replace('"alarms"', '"alarm"'), "no diagnosis"),
        (lambda text: text.replace('"grade": "promoted"', '"grade": "great"'), "no diagnosis"),
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
