"""From energies on held-out theorems to a diagnosis."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from leanebm._shown import fitting_repr
from leanebm.energy.checkpoint_header import Calibration
from leanebm.energy.diagnostics.alarm import Findings
from leanebm.energy.diagnostics.alarm_rules import raise_alarms
from leanebm.energy.diagnostics.calibration_fit import CalibrationBasis, CalibrationConfig, fit_calibration
from leanebm.energy.diagnostics.data_audit import DataAudit
from leanebm.energy.diagnostics.diagnosis import HeadReport
from leanebm.energy.diagnostics.embedding_probe import EmbeddingProbe
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.frontier_set import FrontierSet
from leanebm.energy.diagnostics.measure import (
    measure_frontiers,
    measure_probabilities,
    measure_siblings,
    queue_std_ratio,
)
from leanebm.energy.diagnostics.promotion import PromotionGate
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.slices import sibling_slices
from leanebm.energy.diagnostics.training_facts import TrainingFacts

__all__ = ["DiagnosisConfig", "diagnose"]


@attrs.frozen(kw_only=True)
class DiagnosisConfig:
    """How a head is judged."""

    gate: PromotionGate = attrs.field(factory=PromotionGate)
    calibration: CalibrationConfig = attrs.field(factory=CalibrationConfig)

    __repr__ = fitting_repr


def diagnose(
    siblings: SiblingSet,
    *,
    frontiers: FrontierSet | None = None,
    twin: Estimate | None = None,
    embeddings: EmbeddingProbe | None = None,
    training_data: DataAudit | None = None,
    validation_data: DataAudit | None = None,
    facts: TrainingFacts | None = None,
    in_use: Calibration | None = None,
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
        embeddings: a probe of the vectors that the head is fed.
        training_data: counts of what it was trained on.
        validation_data: counts of what ``siblings`` were made of.
        facts: what training and others say of it.
        in_use: the calibration that the searches behind ``frontiers`` used, to see whether its units still hold.
        about: what a reader wants to know it by.
        config: thresholds and grids.
    """
    config, facts = config or DiagnosisConfig(), facts or TrainingFacts()
    fit = fit_calibration(siblings, frontiers, config.calibration)
    is_live = fit.basis is CalibrationBasis.FRONTIERS and frontiers is not None
    queues = frontiers if is_live and frontiers is not None else FrontierSet.from_siblings(siblings)
    probabilities, bins = measure_probabilities(queues, fit.calibration)
    metrics: dict[str, Estimate] = {
        **measure_siblings(siblings, fit.calibration),
        **({"twin_pairwise": twin} if twin is not None else {}),
        **(measure_frontiers(queues, fit.calibration) if is_live else {}),
        **probabilities,
        **({"queue_std_ratio": queue_std_ratio(frontiers, in_use)} if frontiers is not None and in_use else {}),
        **(embeddings.metrics() if embeddings else {}),
        **(training_data.metrics() if training_data else {}),
        **facts.metrics(),
    }
    findings = Findings(metrics=metrics, slices=sibling_slices(siblings))
    alarms = raise_alarms(findings)
    return HeadReport(
        metrics=metrics,
        verdict=config.gate.judge(findings, alarms, facts),
        alarms=alarms,
        fit=fit,
        slices=findings.slices,
        reliability=bins,
        facts=facts,
        embeddings=embeddings,
        training_data=training_data,
        validation_data=validation_data,
        about=dict(about or {}),
    )
