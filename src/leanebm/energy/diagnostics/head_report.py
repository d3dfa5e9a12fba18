"""Everything that is known about how good a head is: measured, judged, and kept beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import attrs
import numpy as np
import pyarrow as pa
from attrs.validators import ge
from cattrs import transform_error
from cattrs.preconf.json import make_converter
from numpy.typing import NDArray

from leanebm._shown import fitting_repr, reason, shown, writer
from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics._ruler import frontier_auc_by_length, pairwise_by_length, pairwise_same_length
from leanebm.energy.diagnostics.alarms import Alarm, Findings, raise_alarms
from leanebm.energy.diagnostics.calibration_fit import (
    CalibrationBasis,
    CalibrationConfig,
    CalibrationFit,
    fit_calibration,
)
from leanebm.energy.diagnostics.estimate import Estimate, Floats, macro_mean
from leanebm.energy.diagnostics.frontiers import FrontierSet
from leanebm.energy.diagnostics.promotion import PromotionGate, PromotionVerdict
from leanebm.energy.diagnostics.sibling_figures import (
    Slice,
    cross_theorem_pairwise,
    energy_spread,
    sibling_pairwise,
    sibling_slices,
    spearman_remaining,
)
from leanebm.energy.diagnostics.siblings import SiblingSet
from leanebm.errors import ConfigError, EnergyError
from leanebm.storage import read_regular, write_atomically, write_parquet

DIAGNOSIS_NAME: Final = "diagnosis.json"
"""The report's name in a head's folder."""

DIAGNOSIS_SCHEMA_VERSION: Final = 2
"""Of that file; a change of what a field means raises it."""

VALIDATION_NAME: Final = "validation.parquet"
"""In a head's folder: the energies behind the report, one row per state."""

_json = make_converter(forbid_extra_keys=True)


@attrs.frozen(kw_only=True)
class DiagnosisConfig:
    """How a head is judged."""

    gate: PromotionGate = attrs.field(factory=PromotionGate)
    calibration: CalibrationConfig = attrs.field(factory=CalibrationConfig)
    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class TrainingFacts:
    """What training says of a head, beside what can be measured on its energies."""

    steps: int = attrs.field(validator=ge(0))
    """Optimizer steps taken."""

    skipped_steps: int = attrs.field(validator=ge(0))
    """Steps left out because loss or gradient was not finite."""

    log_scale: float
    """Natural logarithm of the head's learnable scale; it is clamped to [−3, 5]."""

    train_pairwise: float
    """Sibling pairwise accuracy on the theorems trained on."""

    sigma_shortfall: float | None = None
    """Largest share of a layer's norm that training's estimate misses, in [0, 1]."""

    audited_negatives: int = attrs.field(default=0, validator=ge(0))
    """Negatives of the training data that ``generate-negatives --audit`` tried to prove and decided."""

    provable_negatives: int = attrs.field(default=0, validator=ge(0))
    """Those of them that it proved."""

    __repr__ = fitting_repr

    def metrics(self) -> Mapping[str, Estimate]:
        """The figures under the names that reports and alarms know them by."""
        found = {
            "train_pairwise": Estimate.plain(self.train_pairwise, 1),
            "log_scale": Estimate.plain(self.log_scale, 1),
            "skipped_steps": Estimate.plain(self.skipped_steps, self.steps),
        }
        if self.sigma_shortfall is not None:
            found["sn_shortfall_max"] = Estimate.plain(self.sigma_shortfall, 1)
        if self.audited_negatives:
            rate = self.provable_negatives / self.audited_negatives
            found["fn_audit_rate"] = Estimate.plain(rate, self.audited_negatives)
        return found


@attrs.frozen(kw_only=True)
class HeadReport:
    """What was measured, what is wrong, and what follows from it."""

    metrics: Mapping[str, Estimate]
    """Every figure by name; :data:`leanebm.energy.diagnostics.report.METRICS` explains them."""

    verdict: PromotionVerdict
    alarms: tuple[Alarm, ...]
    """What is wrong, the worst first."""

    fit: CalibrationFit
    """Units and weight as they were fitted; the weight that the verdict allows is in :attr:`calibration`."""

    slices: tuple[Slice, ...] = ()
    data: Mapping[str, int] = attrs.field(factory=dict)
    """How much there was to learn from and to be judged on, such as ``training_theorems``."""

    about: Mapping[str, str] = attrs.field(factory=dict)
    """What a reader wants to know it by: encoder, data, date; shown as it is."""

    __repr__ = fitting_repr

    @property
    def calibration(self) -> Calibration:
        """What a search is to use: the fitted units, and weight 0 unless the verdict lets the head steer."""
        fitted = self.fit.calibration
        return fitted if self.verdict.grade.may_steer else attrs.evolve(fitted, beta=0.0)

    def write(self, folder: Path | str) -> Path:
        """Write ``diagnosis.json`` into ``folder``, atomically.

        Raises:
            OSError: the disk is full, the folder cannot be written …
        """
        path = Path(folder) / DIAGNOSIS_NAME
        document = {"schema_version": DIAGNOSIS_SCHEMA_VERSION, **_json.unstructure(self)}
        text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())
        return path

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read ``diagnosis.json`` from ``folder``.

        Raises:
            ConfigError: there is none.
            EnergyError: it is of another version, or it is damaged; every mistake is listed.
        """
        path = Path(folder) / DIAGNOSIS_NAME
        try:
            document = json.loads(read_regular(path))
        except FileNotFoundError:
            raise ConfigError(
                f"{path} does not exist. `leanebm train-ebm --output-dir {folder}` writes it beside the head."
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise EnergyError(
                f"{path} cannot be read: {reason(error)}. Train the head again, or restore the file."
            ) from error
        version = document.pop("schema_version", None) if isinstance(document, dict) else None
        if version != DIAGNOSIS_SCHEMA_VERSION:
            about = document.get("about") if isinstance(document, dict) else None
            wrote = writer(about.get("leanebm") if isinstance(about, dict) else None)
            raise EnergyError(
                f"{path} has schema version {shown(version)}; this leanebm reads and writes "
                f"{DIAGNOSIS_SCHEMA_VERSION}. Read it with {wrote}."
            )
        try:
            return _json.structure(document, cls)
        except Exception as error:
            problems = "\n".join(f"  - {problem}" for problem in transform_error(error, path="$"))
            raise EnergyError(f"{path} is not a diagnosis that this leanebm could have written:\n{problems}") from error


def diagnose(
    siblings: SiblingSet,
    *,
    frontiers: FrontierSet | None = None,
    twin: Estimate | None = None,
    embeddings: Mapping[str, Estimate] | None = None,
    facts: TrainingFacts | None = None,
    data: Mapping[str, int] | None = None,
    about: Mapping[str, str] | None = None,
    config: DiagnosisConfig | None = None,
) -> HeadReport:
    """Measure a head, look for illnesses, and judge it.

    Everything but ``siblings`` may be left out; what cannot be measured without it is not, and no alarm
    is raised on it.

    Args:
        siblings: decision points of held-out theorems with the head's energies.
        frontiers: queues of searches on held-out theorems with the head's energies.
        twin: sibling pairwise accuracy, on held-out theorems, of a twin trained on shuffled labels.
        embeddings: what :func:`probe_embeddings` found of the vectors that the head is fed.
        facts: what training says of the head.
        data: how much it was trained and judged on, by name.
        about: what a reader wants to know it by.
        config: thresholds and grids.
    """
    config = config or DiagnosisConfig()
    fit = fit_calibration(siblings, frontiers, config.calibration)
    metrics = _measure_siblings(siblings)
    if twin is not None:
        metrics["twin_pairwise"] = twin
    if frontiers is not None and fit.basis is CalibrationBasis.FRONTIERS:
        metrics |= _measure_frontiers(siblings, frontiers, fit.calibration)
    metrics |= {**(embeddings or {}), **(facts.metrics() if facts is not None else {})}
    findings = Findings(metrics=metrics, slices=sibling_slices(siblings))
    alarms = raise_alarms(findings)
    return HeadReport(
        metrics=metrics,
        verdict=config.gate.judge(findings, alarms),
        alarms=alarms,
        fit=fit,
        slices=findings.slices,
        data=dict(data or {}),
        about=dict(about or {}),
    )


def _measure_siblings(siblings: SiblingSet) -> dict[str, Estimate]:
    return {
        "pairwise_sibling": sibling_pairwise(
            siblings.positive_energy, siblings.negative_energy, siblings.mask, siblings.theorem
        ),
        "auc_length_only": pairwise_by_length(siblings),
        "auc_within_len_decile": pairwise_same_length(siblings),
        "pairwise_cross_theorem": cross_theorem_pairwise(siblings),
        "spearman_remaining": spearman_remaining(siblings),
        "e_std": energy_spread(siblings),
    }


def _measure_frontiers(siblings: SiblingSet, frontiers: FrontierSet, units: Calibration) -> dict[str, Estimate]:
    """How well live queues are ordered: by the energy, by the policy, by both together, and by length."""
    energy, policy = frontiers.in_units(units)

    def auc(score: Floats) -> Estimate:
        return macro_mean(frontiers.path_accuracy(score), frontiers.theorem)

    return {
        "auc_frontier": auc(energy),
        "auc_frontier_policy": auc(-policy),
        "auc_frontier_sum": auc(units.beta * energy - policy),
        "auc_frontier_length": frontier_auc_by_length(siblings, frontiers),
    }


def save_validation(folder: Path | str, siblings: SiblingSet, frontiers: FrontierSet | None) -> Path:
    """Write ``validation.parquet`` into ``folder``, atomically: one row per held-out state.

    Its columns: the ``part`` (``siblings`` or ``frontiers``), the ``group`` within it (a decision point, or a
    queue), ``theorem``, ``on_path``, ``energy``, ``log_prob`` (of the last tactic for siblings, of the path for
    open nodes), ``depth``, ``remaining`` tactics (of siblings on the path), and the state's ``characters``,
    ``goals`` and ``local_names``. What is unknown is null.

    Raises:
        OSError: the disk is full, the folder cannot be written …
    """
    of_siblings = FrontierSet.from_siblings(siblings)
    remaining = np.full(len(of_siblings.energy), np.nan)
    remaining[of_siblings.is_on_path] = siblings.remaining
    tables = [_validation_table("siblings", of_siblings, remaining)]
    if frontiers is not None:
        tables.append(_validation_table("frontiers", frontiers, np.full(len(frontiers.energy), np.nan)))
    path = Path(folder) / VALIDATION_NAME
    write_parquet(path, pa.concat_tables(tables))
    return path


def _validation_table(part: str, nodes: FrontierSet, remaining: Floats) -> pa.Table:
    columns: dict[str, NDArray[Any] | list[str]] = {
        "part": [part] * len(nodes.energy),
        "group": nodes.snapshot,
        "theorem": nodes.node_theorem.tolist(),
        "on_path": nodes.is_on_path,
        "energy": nodes.energy,
        "log_prob": nodes.path_log_prob,
        "depth": nodes.depth,
        "remaining": remaining,
        **dict(zip(("characters", "goals", "local_names"), nodes.shape.T, strict=True)),
    }
    texts = {"part", "theorem"}
    return pa.table(
        {
            name: pa.array(values, pa.string() if name in texts else None, from_pandas=True)
            for name, values in columns.items()
        }
    )
