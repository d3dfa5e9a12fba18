"""Figures of a training run over its steps, as tables and as TensorBoard curves."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol, Self

import attrs
import pyarrow as pa
import pyarrow.csv
from torch.utils.tensorboard import SummaryWriter

from leanebm._shown import fitting_repr, reason
from leanebm.errors import EnergyError
from leanebm.storage import open_regular, read_parquet, write_atomically, write_parquet

METRIC_COLUMNS: Final[Mapping[str, str]] = {
    "train_loss": "the whole objective, on the step's batch",
    "train_ranking": "its ranking term",
    "train_path": "its path term, before its weight",
    "train_depth": "its remaining-depth term, before its weight",
    "train_center": "its centring term, before its weight",
    "train_pairwise_sibling": "share of the batch's sibling pairs in the right order",
    "train_e_pos_mean": "mean energy of the batch's positives",
    "train_e_neg_mean": "mean energy of the batch's negatives",
    "train_e_std": "standard deviation of the batch's energies",
    "train_grad_norm": "length of the gradient before clipping",
    "train_learning_rate": "of this step",
    "train_log_scale": "logarithm of the head's scale, after the step",
    "train_skipped_steps": "steps so far that were left out as not finite",
    "validation_pairwise_sibling": "sibling pairwise accuracy, macro by theorem: what training selects by",
    "validation_rank1_sibling": "how often the positive is ranked first among its siblings",
    "validation_rank1_random": "the same for a random order",
    "validation_e_pos_mean": "mean energy of validation positives",
    "validation_e_neg_mean": "mean energy of validation negatives",
    "validation_e_std": "standard deviation of the energies of both",
    "validation_train_pairwise": "sibling pairwise accuracy on a fixed sample of training groups, without dropout",
    "twin_loss": "the twin's objective, on its own roles",
    "twin_pairwise": "the twin's sibling pairwise accuracy on validation, on its own roles: 0.50 if nothing leaks",
    "twin_pairwise_true_roles": "the same on the true roles",
}
"""What is logged, and what it means. A column is empty at steps that did not measure it."""

_SCHEMA: Final = pa.schema([("step", pa.int64()), *((name, pa.float64()) for name in METRIC_COLUMNS)])


class MetricsLog:
    """The tables ``metrics.csv`` and ``metrics.parquet``, and the curves in ``tensorboard/``, of one folder.

    The tables hold nothing that differs from run to run, such as a time of day, so that an interrupted run's are
    equal, byte by byte, to an undisturbed one's.

    Args:
        folder: where they are.
        keep_to: last step whose figures stand; later ones were logged by a run that then lost those steps.
    """

    def __init__(self, folder: Path, *, keep_to: int = 0) -> None:
        self._folder = folder
        self._rows = _read(folder / "metrics.parquet", keep_to) if keep_to else []
        self._curves = SummaryWriter(str(folder / "tensorboard"), purge_step=keep_to + 1)

    def __enter__(self) -> Self:
        """Nothing is opened that was not before."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the curves; the tables are as :meth:`save` left them."""
        self._curves.close()

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Log the figures of a step, and let those who watch see them."""
        self._rows.append({"step": step, **figures})
        for name, value in figures.items():
            group, _, rest = name.partition("_")
            self._curves.add_scalar(f"{group}/{rest}", value, step)
        self._curves.flush()
        write_atomically(self._folder / "metrics.csv", _csv(self._table()))

    def save(self) -> None:
        """Put the tables on the disk for good."""
        table = self._table()
        write_parquet(self._folder / "metrics.parquet", table)
        write_atomically(self._folder / "metrics.csv", _csv(table))

    def _table(self) -> pa.Table:
        return pa.Table.from_pylist(self._rows, schema=_SCHEMA)


def _csv(table: pa.Table) -> bytes:
    text = io.BytesIO()
    pa.csv.write_csv(table, text)
    return text.getvalue()


def _read(path: Path, keep_to: int) -> list[dict[str, float]]:
    try:
        with open_regular(path) as file:
            rows = read_parquet(file, _SCHEMA.names).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise EnergyError(f"{path} belongs to an unfinished training and cannot be read: {reason(error)}") from error
    return [{name: value for name, value in row.items() if value is not None} for row in rows if row["step"] <= keep_to]


@attrs.frozen(kw_only=True)
class TrainingStarted:
    """Everything is ready; the next step is the first one made now."""

    step: int
    """Steps that an earlier, interrupted run has made; 0 for a fresh one."""

    max_steps: int


@attrs.frozen(kw_only=True)
class StepMade:
    """A step was made, whether its figures are logged or not."""

    step: int


@attrs.frozen(kw_only=True)
class ValidationMeasured:
    """The head was measured on validation, and all of the run up to here is on the disk."""

    step: int
    metrics: Mapping[str, float]
    is_best: bool
    """Whether no head of this run was better before."""

    __repr__ = fitting_repr


TrainingEvent = TrainingStarted | StepMade | ValidationMeasured
"""Closed union: match it exhaustively."""


class TrainingObserver(Protocol):
    """Receives what happens. Any object with this method will do."""

    def notify(self, event: TrainingEvent) -> None:
        """Take note of ``event``; called between two steps, in the thread that trains.

        An exception ends the training, which can be resumed.
        """
        ...
