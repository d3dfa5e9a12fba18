"""Writes the report: one file that needs nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
import jinja2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leanebm._shown import printable
from leanebm.energy.diagnostics.catalogue import METRICS, MetricInfo
from leanebm.energy.diagnostics.data_audit import DataAudit
from leanebm.energy.diagnostics.diagnosis import HeadReport
from leanebm.energy.diagnostics.estimate import Estimate, Floats
from leanebm.energy.diagnostics.promotion import Grade
from leanebm.energy.diagnostics.report.figures import plots
from leanebm.energy.diagnostics.validation_file import VALIDATION_NAME, ValidationStates
from leanebm.errors import EnergyError
from leanebm.storage import write_atomically

__all__ = ["REPORT_NAME", "write_report"]

REPORT_NAME: Final = "report.html"
"""The file's name in a head's folder."""

_CURVES: Final = "metrics.parquet"

_GRADE_STYLE: Final = {
    Grade.PROMOTED: "good",
    Grade.BELOW_TARGET: "fair",
    Grade.UNTESTED: "fair",
    Grade.NO_BETTER_THAN_CHANCE: "bad",
    Grade.UNSOUND: "bad",
}

_DATA_ROWS: Final = (
    ("theorems", "theorems"),
    ("families", "modules or single theorems"),
    ("groups", "decision points"),
    ("groups_with_negatives", "decision points with negatives"),
    ("negatives", "negatives"),
    ("dead", "negatives verified to be dead"),
    ("replayed", "decision points from replayed proofs"),
    ("states", "distinct states"),
)


def write_report(folder: Path) -> Path:
    """Write ``report.html`` beside the ``diagnosis.json`` in ``folder``, and say where.

    The page holds its plots and its style, and asks nothing of the network. It uses ``validation.parquet``
    and ``metrics.parquet`` for what they can show, if they are there.

    Raises:
        EnergyError: there is no diagnosis, or a file is damaged or of another version.
        OSError: the page cannot be written.
    """
    diagnosis = HeadReport.read(folder)
    states = ValidationStates.load(folder) if (folder / VALIDATION_NAME).exists() else None
    page = _template().render(
        name=folder.resolve().name,
        diagnosis=diagnosis,
        style=_GRADE_STYLE[diagnosis.verdict.grade],
        rows=tuple(_rows(diagnosis.metrics)),
        plots=plots(diagnosis, states, _curves(folder)),
        spectral=_spectral_rows(diagnosis),
        data=tuple(_data_rows(diagnosis.training_data, diagnosis.validation_data)),
    )
    path = folder / REPORT_NAME
    write_atomically(path, printable(page).encode())
    return path


def _template() -> jinja2.Template:
    loader = jinja2.PackageLoader("leanebm.energy.diagnostics.report")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2")


@attrs.frozen(kw_only=True)
class _Row:
    """A line of the table of figures, in words."""

    label: str
    meaning: str
    value: str
    interval: str
    chance: str
    target: str


def _rows(metrics: Mapping[str, Estimate]) -> Iterator[_Row]:
    for info in METRICS:
        found = metrics.get(info.name)
        if found is not None and found.value is not None:
            has_interval = found.low is not None and found.high is not None
            yield _Row(
                label=info.label,
                meaning=info.meaning,
                value=_shown(found.value, info),
                interval=f"{_shown(found.low, info)} to {_shown(found.high, info)}" if has_interval else "",
                chance=_chance(info, metrics),
                target=info.target,
            )


def _chance(info: MetricInfo, metrics: Mapping[str, Estimate]) -> str:
    measured = metrics.get(info.chance)
    return info.chance if measured is None else _shown(measured.value, info)


def _shown(value: float | None, info: MetricInfo) -> str:
    if value is None:
        return ""
    if info.is_percentage:
        return f"{100 * value:.1f} %"
    if info.name == "emb_cosine_probe":
        return f"{value:.5f}"
    return f"{value:,.0f}" if info.is_count else f"{value:.3f}"


def _spectral_rows(diagnosis: HeadReport) -> tuple[tuple[str, str, str, str], ...]:
    report = diagnosis.facts.spectral
    if report is None:
        return ()
    layers = zip(report.exact, report.estimated, report.shortfalls, strict=True)
    return tuple(
        (str(index), f"{exact:.4f}", f"{estimated:.4f}", f"{100 * short:.2f} %")
        for index, (exact, estimated, short) in enumerate(layers, start=1)
    )


def _data_rows(training: DataAudit | None, validation: DataAudit | None) -> Iterator[tuple[str, str, str]]:
    if training is None and validation is None:
        return
    for name, label in _DATA_ROWS:
        yield label, _counted(training, name), _counted(validation, name)
    yield "contradictory labels", _contradictory(training), _contradictory(validation)


def _counted(audit: DataAudit | None, name: str) -> str:
    return "–" if audit is None else f"{getattr(audit, name):,}"


def _contradictory(audit: DataAudit | None) -> str:
    return "–" if audit is None else f"{100 * audit.dual_label_rate:.2f} %"


def _curves(folder: Path) -> dict[str, Floats]:
    """The training's log by column; empty if there is none."""
    path = folder / _CURVES
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise EnergyError(f"{path} cannot be read as Parquet: {error}") from error
    if "step" not in table.column_names:
        raise EnergyError(f"{path} has no column 'step', so it is no log of a training")
    return {
        name: np.array([math.nan if value is None else value for value in table.column(name).to_pylist()], dtype=float)
        for name in table.column_names
    }
