"""Everything that is known of how good a head is, in one value and in one file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

import attrs
from cattrs import transform_error
from cattrs.preconf.json import make_converter

from leanebm._shown import fitting_repr, shown
from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics.alarm import Alarm
from leanebm.energy.diagnostics.calibration_fit import CalibrationFit
from leanebm.energy.diagnostics.data_audit import DataAudit
from leanebm.energy.diagnostics.embedding_probe import EmbeddingProbe
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.probability import ReliabilityBin
from leanebm.energy.diagnostics.promotion import PromotionVerdict
from leanebm.energy.diagnostics.slices import Slice
from leanebm.energy.diagnostics.training_facts import TrainingFacts
from leanebm.errors import EnergyError
from leanebm.storage import write_atomically

__all__ = ["DIAGNOSIS_NAME", "DIAGNOSIS_SCHEMA_VERSION", "HeadReport"]

DIAGNOSIS_NAME: Final = "diagnosis.json"
"""The file's name in a head's folder."""

DIAGNOSIS_SCHEMA_VERSION: Final = 1
"""Of that file; a change of what a field means raises it."""

_json = make_converter(forbid_extra_keys=True)


@attrs.frozen(kw_only=True)
class HeadReport:
    """What was measured, what is wrong, and what follows from it."""

    metrics: Mapping[str, Estimate]
    """Every figure by name; :data:`METRICS` explains them."""

    verdict: PromotionVerdict
    alarms: tuple[Alarm, ...]
    """What is wrong, the worst first."""

    fit: CalibrationFit
    """Units and weight as they were fitted; the weight that the verdict allows is in :attr:`calibration`."""

    slices: tuple[Slice, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()
    facts: TrainingFacts = attrs.field(factory=TrainingFacts)
    embeddings: EmbeddingProbe | None = None
    training_data: DataAudit | None = None
    validation_data: DataAudit | None = None
    about: Mapping[str, str] = attrs.field(factory=dict)
    """What a reader wants to know it by: encoder, data, date; shown as it is."""

    __repr__ = fitting_repr

    @property
    def calibration(self) -> Calibration:
        """What a search is to use: the fitted units, and weight 0 unless the verdict lets the head steer."""
        fitted = self.fit.calibration
        return fitted if self.verdict.grade.may_steer else attrs.evolve(fitted, beta=0.0)

    def figures(self) -> dict[str, float]:
        """The metrics' values alone, for a checkpoint's header; ``nan`` where there was nothing to measure."""
        return {name: math.nan if each.value is None else each.value for name, each in self.metrics.items()}

    def write(self, folder: Path) -> Path:
        """Write ``diagnosis.json`` into ``folder``, atomically.

        Raises:
            OSError: the disk is full, the folder cannot be written …
        """
        path = folder / DIAGNOSIS_NAME
        document = {"schema_version": DIAGNOSIS_SCHEMA_VERSION, **_json.unstructure(self)}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())
        return path

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read ``diagnosis.json`` from ``folder``.

        Raises:
            EnergyError: there is none, it is of another version, or it is damaged; every mistake is listed.
        """
        path = folder / DIAGNOSIS_NAME
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise EnergyError(
                f"{path} does not exist. `leanebm train-ebm --output-dir {folder}` writes it beside the head."
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise EnergyError(f"{path} cannot be read: {error}. Train the head again, or restore the file.") from error
        version = document.pop("schema_version", None) if isinstance(document, dict) else None
        if version != DIAGNOSIS_SCHEMA_VERSION:
            raise EnergyError(
                f"{path} has schema version {shown(version)}; this leanebm reads and writes "
                f"{DIAGNOSIS_SCHEMA_VERSION}. Read it with the leanebm that wrote it."
            )
        try:
            return _json.structure(document, cls)
        except Exception as error:
            problems = "\n".join(f"  - {problem}" for problem in transform_error(error, path="$"))
            raise EnergyError(f"{path} is no diagnosis that this leanebm wrote:\n{problems}") from error
