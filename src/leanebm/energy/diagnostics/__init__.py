"""Whether an energy head is any good, and if not, why.

Every figure is a pure function of numpy arrays; none needs torch, a model or Lean. :func:`diagnose` measures them
all, :data:`ALARMS` look for known faults, and :class:`PromotionGate` decides whether the head may steer a
search.
"""

from leanebm.core.state_counts import state_shape
from leanebm.energy.diagnostics.alarms import ALARMS, Alarm, Findings, Severity, raise_alarms
from leanebm.energy.diagnostics.calibration_fit import (
    BetaPoint,
    CalibrationBasis,
    CalibrationConfig,
    CalibrationFit,
    fit_calibration,
)
from leanebm.energy.diagnostics.embedding_probe import probe_embeddings
from leanebm.energy.diagnostics.estimate import Estimate, macro_mean
from leanebm.energy.diagnostics.frontiers import FrontierSet
from leanebm.energy.diagnostics.head_report import (
    DiagnosisConfig,
    HeadReport,
    TrainingFacts,
    diagnose,
    save_validation,
)
from leanebm.energy.diagnostics.promotion import Grade, PromotionGate, PromotionVerdict
from leanebm.energy.diagnostics.sibling_figures import (
    Slice,
    sibling_pairwise,
    sibling_rank1,
    sibling_rank1_random,
    sibling_slices,
)
from leanebm.energy.diagnostics.siblings import SiblingSet

__all__ = [
    "ALARMS",
    "Alarm",
    "BetaPoint",
    "CalibrationBasis",
    "CalibrationConfig",
    "CalibrationFit",
    "DiagnosisConfig",
    "Estimate",
    "Findings",
    "FrontierSet",
    "Grade",
    "HeadReport",
    "PromotionGate",
    "PromotionVerdict",
    "Severity",
    "SiblingSet",
    "Slice",
    "TrainingFacts",
    "diagnose",
    "fit_calibration",
    "macro_mean",
    "probe_embeddings",
    "raise_alarms",
    "save_validation",
    "sibling_pairwise",
    "sibling_rank1",
    "sibling_rank1_random",
    "sibling_slices",
    "state_shape",
]
