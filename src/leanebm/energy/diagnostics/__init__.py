"""Whether an energy head is any good, and if not, why.

Every figure is a pure function of numpy arrays; none needs torch, a model or Lean. :func:`diagnose` measures them
all, :data:`ALARM_RULES` look for known illnesses, and :class:`PromotionGate` decides whether the head may steer a
search.
"""

from leanebm.energy.diagnostics.alarm import Alarm, AlarmRule, Findings, Severity
from leanebm.energy.diagnostics.alarm_rules import ALARM_RULES, raise_alarms
from leanebm.energy.diagnostics.calibration_fit import (
    BetaPoint,
    CalibrationBasis,
    CalibrationConfig,
    CalibrationFit,
    fit_calibration,
)
from leanebm.energy.diagnostics.catalogue import METRICS, MetricInfo
from leanebm.energy.diagnostics.data_audit import DataAudit
from leanebm.energy.diagnostics.diagnose import DiagnosisConfig, diagnose
from leanebm.energy.diagnostics.diagnosis import DIAGNOSIS_NAME, DIAGNOSIS_SCHEMA_VERSION, HeadReport
from leanebm.energy.diagnostics.embedding_probe import EmbeddingProbe
from leanebm.energy.diagnostics.estimate import Estimate, macro_mean, theorem_means
from leanebm.energy.diagnostics.frontier_set import FrontierNode, FrontierSet, FrontierSnapshot
from leanebm.energy.diagnostics.length_leak import (
    frontier_auc_length_only,
    length_deciles,
    length_only_scores,
    pairwise_length_only,
    pairwise_same_length,
)
from leanebm.energy.diagnostics.measure import (
    measure_frontiers,
    measure_probabilities,
    measure_siblings,
    queue_std_ratio,
)
from leanebm.energy.diagnostics.probability import (
    DEPTH_BUCKETS,
    ReliabilityBin,
    brier_skill,
    depth_bucket,
    expected_calibration_error,
    held_out_probabilities,
    platt,
    reliability,
)
from leanebm.energy.diagnostics.promotion import Grade, PromotionGate, PromotionVerdict, mcnemar_worse
from leanebm.energy.diagnostics.separation import (
    active_margin_fraction,
    cross_theorem_pairwise,
    energy_gap,
    energy_spread,
    same_theorem_pairwise,
    spearman_remaining,
)
from leanebm.energy.diagnostics.sibling_set import SiblingSet
from leanebm.energy.diagnostics.siblings import (
    reciprocal_ranks,
    sibling_mrr,
    sibling_pairwise,
    sibling_rank1,
    sibling_rank1_random,
)
from leanebm.energy.diagnostics.slices import Slice, sibling_slices
from leanebm.energy.diagnostics.state_shape import StateShape
from leanebm.energy.diagnostics.training_facts import TrainingFacts
from leanebm.energy.diagnostics.validation_file import VALIDATION_NAME, ValidationStates

__all__ = [
    "ALARM_RULES",
    "DEPTH_BUCKETS",
    "DIAGNOSIS_NAME",
    "DIAGNOSIS_SCHEMA_VERSION",
    "METRICS",
    "VALIDATION_NAME",
    "Alarm",
    "AlarmRule",
    "BetaPoint",
    "CalibrationBasis",
    "CalibrationConfig",
    "CalibrationFit",
    "DataAudit",
    "DiagnosisConfig",
    "EmbeddingProbe",
    "Estimate",
    "Findings",
    "FrontierNode",
    "FrontierSet",
    "FrontierSnapshot",
    "Grade",
    "HeadReport",
    "MetricInfo",
    "PromotionGate",
    "PromotionVerdict",
    "ReliabilityBin",
    "Severity",
    "SiblingSet",
    "Slice",
    "StateShape",
    "TrainingFacts",
    "ValidationStates",
    "active_margin_fraction",
    "brier_skill",
    "cross_theorem_pairwise",
    "depth_bucket",
    "diagnose",
    "energy_gap",
    "energy_spread",
    "expected_calibration_error",
    "fit_calibration",
    "frontier_auc_length_only",
    "held_out_probabilities",
    "length_deciles",
    "length_only_scores",
    "macro_mean",
    "mcnemar_worse",
    "measure_frontiers",
    "measure_probabilities",
    "measure_siblings",
    "pairwise_length_only",
    "pairwise_same_length",
    "platt",
    "queue_std_ratio",
    "raise_alarms",
    "reciprocal_ranks",
    "reliability",
    "same_theorem_pairwise",
    "sibling_mrr",
    "sibling_pairwise",
    "sibling_rank1",
    "sibling_rank1_random",
    "sibling_slices",
    "spearman_remaining",
    "theorem_means",
]
