from __future__ import annotations

import csv
import math
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

from leanebm.energy.training.metrics_log import METRIC_COLUMNS, MetricsLog
from leanebm.errors import EnergyError


def test_both_tables_hold_every_figure_exactly(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        log.add(50, {"train_loss": 1 / 3})
        log.add(100, {"train_loss": 0.25, "validation_rank1_sibling": 0.5})
        log.save()

    table = pq.read_table(tmp_path / "metrics.parquet")
    assert table.column_names == ["step", *METRIC_COLUMNS]
    assert table["train_loss"].to_pylist() == [1 / 3, 0.25]
    assert table["validation_rank1_sibling"].to_pylist() == [None, 0.5]
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], float(row["train_loss"]), row["validation_rank1_sibling"]) for row in rows] == [
        ("50", 1 / 3, ""),
        ("100", 0.25, "0.5"),
    ]


def test_the_csv_table_can_be_watched_while_it_grows(tmp_path: Path) -> None:
    with MetricsLog(tmp_path) as log:
        log.add(50, {"train_loss": 1.0})

        assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 2


def test_figures_of_steps_that_were_lost_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetricsLog(tmp_path) as log:
        for step in (50, 100, 150):
            log.add(step, {"train_loss": float(step), "twin_loss": math.nan})
            log.save()

    # TensorBoard reads its files in the order of their names, which begin with the second they were made in.
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 1.0)
    with MetricsLog(tmp_path, keep_to=100) as log:
        log.add(150, {"train_loss": -1.0})
        log.save()

    assert pq.read_table(tmp_path / "metrics.parquet")["train_loss"].to_pylist() == [50.0, 100.0, -1.0]
    curves = EventAccumulator(str(tmp_path / "tensorboard"))
    curves.Reload()
    assert [(point.step, point.value) for point in curves.Scalars("train/loss")] == [
        (50, 50.0),
        (100, 100.0),
        (150, -1.0),
    ]


def test_a_damaged_table_of_an_unfinished_training_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "metrics.parquet").write_bytes(b"PAR1 no")

    with pytest.raises(EnergyError, match="unfinished training"):
        MetricsLog(tmp_path, keep_to=1)
