"""Writes the report on a head: one file that needs nothing beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
import pyarrow as pa

from leanebm._page import filled_page
from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics._figures import Table, plots
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.head_report import VALIDATION_NAME, HeadReport
from leanebm.energy.diagnostics.promotion import Grade
from leanebm.errors import EnergyError
from leanebm.storage import open_regular, read_parquet, write_atomically

__all__ = ["METRICS", "REPORT_NAME", "MetricInfo", "write_report"]

REPORT_NAME: Final = "report.html"
"""The file's name in a head's folder."""

_LOG_NAME: Final = "metrics.parquet"

_GRADE_STYLE: Final = {
    Grade.PROMOTED: "good",
    Grade.BELOW_TARGET: "fair",
    Grade.UNTESTED: "fair",
    Grade.NO_BETTER_THAN_CHANCE: "bad",
    Grade.UNSOUND: "bad",
}

_DATA_ROWS: Final = {
    "theorems": "theorems",
    "families": "modules or single theorems",
    "groups": "decision points",
    "negatives": "negatives",
}


@attrs.frozen
class MetricInfo:
    """A figure, explained."""

    name: str
    """Its key in ``diagnosis.json``."""

    label: str
    meaning: str
    target: str = ""
    form: str = ".3f"
    """How its value is written, as a format specification."""
    __repr__ = fitting_repr


METRICS: Final = (
    MetricInfo("pairwise_sibling", "Sibling pairwise accuracy", "The right step lies below a sibling.", "≥ 0.72"),
    MetricInfo("auc_length_only", "Length alone", "The same of characters, goals and names alone.", "≤ head − 0.10"),
    MetricInfo("auc_within_len_decile", "Pairwise at equal length", "The head's, over pairs of about the same length."),
    MetricInfo("twin_pairwise", "Shuffled twin", "The same of a twin trained on shuffled labels.", "0.48 to 0.52"),
    MetricInfo("train_pairwise", "Sibling pairwise, training", "On theorems trained on. Far above: it has memorised."),
    MetricInfo("pairwise_cross_theorem", "Pairwise, other theorems", "Against other theorems' negatives: easy."),
    MetricInfo("auc_frontier", "Frontier AUC", "The open node on the path comes before one off it.", "≥ 0.80"),
    MetricInfo("auc_frontier_policy", "Frontier AUC by the policy", "The same by length-normalised log-probability."),
    MetricInfo("auc_frontier_sum", "Frontier AUC by both", "The same at the fitted weight β.", "above the policy's"),
    MetricInfo("auc_frontier_length", "Frontier AUC by length", "The same by outward size alone."),
    MetricInfo("spearman_remaining", "Spearman, remaining depth", "Energy falls as a proof nears its end.", "≥ 0.5"),
    MetricInfo("e_std", "Spread of energies", "Standard deviation, in the head's unit.", "≥ 0.1"),
    MetricInfo("log_scale", "Log scale", "Logarithm of the head's scale, clamped to [−3, 5]."),
    MetricInfo("sn_shortfall_max", "σ shortfall", "Most of a layer's norm that training misses.", "≤ 15 %", ".1%"),
    MetricInfo("skipped_steps", "Skipped steps", "Steps whose loss or gradient was not finite.", "0", ",.0f"),
    MetricInfo("fn_audit_rate", "Provable negatives", "Share of audited negatives that were proved.", "< 8 %", ".1%"),
    MetricInfo("duplicate_emb", "Duplicate embeddings", "Share of vectors equal to another text's.", "< 1 %", ".1%"),
    MetricInfo("effective_rank", "Effective rank", "How many directions the embeddings use, from 1 to their width."),
    MetricInfo("emb_cosine_probe", "Re-encoding cosine", "The lowest of a state, encoded again.", "≥ 0.999", ".5f"),
)  # fmt: skip
"""All figures that a report shows, the most telling first."""


def write_report(folder: Path | str) -> Path:
    """Write ``report.html`` beside the ``diagnosis.json`` in ``folder``, and say where.

    The page holds its plots and its style, and asks nothing of the network. It uses ``validation.parquet``
    and ``metrics.parquet`` for what they can show, if they are there.

    Raises:
        ConfigError: there is no diagnosis.
        EnergyError: a file is damaged or of another version.
        OSError: the page cannot be written.
    """
    folder = Path(folder)
    report = HeadReport.read(folder)
    states = _columns(folder / VALIDATION_NAME, ("part", "on_path", "energy", "remaining"))
    page = filled_page(
        "leanebm.energy.diagnostics",
        "report.html.j2",
        name=folder.resolve().name,
        report=report,
        style=_GRADE_STYLE[report.verdict.grade],
        rows=tuple(_rows(report.metrics)),
        plots=plots(report, states, _columns(folder / _LOG_NAME, ("step",))),
        data=tuple(_data_rows(report.data)),
    )
    path = folder / REPORT_NAME
    write_atomically(path, page.encode())
    return path


def _rows(metrics: Mapping[str, Estimate]) -> Iterator[tuple[MetricInfo, str, str]]:
    """Each figure that was measured, with its value and its interval in words."""
    for info in METRICS:
        found = metrics.get(info.name, Estimate.nothing())
        if found.value is not None:
            ends = () if found.low is None or found.high is None else (found.low, found.high)
            yield info, format(found.value, info.form), " to ".join(format(end, info.form) for end in ends)


def _data_rows(data: Mapping[str, int]) -> Iterator[tuple[str, str, str]]:
    for name, label in _DATA_ROWS.items():
        sides = [data.get(f"{side}_{name}") for side in ("training", "validation")]
        if any(count is not None for count in sides):
            training, validation = ("–" if count is None else f"{count:,}" for count in sides)
            yield label, training, validation


_TEXTS: Final = ("part", "theorem")
"""Columns of words; all others are numbers."""

_NUMBERS: Final = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)


def _columns(path: Path, wanted: tuple[str, ...]) -> Table:
    """The columns of a table beside the head, unknown numbers as ``nan``; none if the file is not there."""
    if not path.exists():
        return {}
    try:
        with open_regular(path) as file:
            table = read_parquet(file)
    except (OSError, pa.ArrowException) as error:
        raise EnergyError(f"{path} cannot be read as Parquet: {error}. Train again, or move it away.") from error
    if missing := [name for name in wanted if name not in table.column_names]:
        raise EnergyError(f"{path} has no column {missing[0]!r}: leanebm did not write it. Move it away.")
    for field in table.schema:
        if field.name not in _TEXTS and not any(is_kind(field.type) for is_kind in _NUMBERS):
            raise EnergyError(
                f"{path} holds {field.type} in its column {field.name!r}, and not numbers: leanebm did not write it. "
                "Move it away."
            )
    return {name: table.column(name).to_numpy() for name in table.column_names}
