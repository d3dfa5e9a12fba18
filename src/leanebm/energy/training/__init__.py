"""From contrastive groups to a trained energy head, with a twin beside it that must learn nothing."""

from leanebm.energy.training._training_run import TWIN_NAME
from leanebm.energy.training.config import EnergyTrainerConfig, ObjectiveConfig, RankingLoss
from leanebm.energy.training.contrastive_data import (
    EVIDENCE_WEIGHTS,
    MAX_SHARED_FRACTION,
    ContrastiveData,
    TheoremPaths,
    TidyGroups,
    state_texts,
    tidy_groups,
)
from leanebm.energy.training.controls import PlantedConfig, PlantedData, planted_groups, shuffle_roles
from leanebm.energy.training.evaluation import SiblingEnergies, state_energies
from leanebm.energy.training.metrics_log import (
    METRIC_COLUMNS,
    StepMade,
    TrainingEvent,
    TrainingObserver,
    TrainingStarted,
    ValidationMeasured,
)
from leanebm.energy.training.result import TrainingResult
from leanebm.energy.training.sampler import GroupBatch, GroupSampler, SamplerConfig
from leanebm.energy.training.split import GroupSplit, SideSummary, SplitSummary, hold_apart, split_groups
from leanebm.energy.training.trainer import EnergyTrainer

__all__ = [
    "EVIDENCE_WEIGHTS",
    "MAX_SHARED_FRACTION",
    "METRIC_COLUMNS",
    "TWIN_NAME",
    "ContrastiveData",
    "EnergyTrainer",
    "EnergyTrainerConfig",
    "GroupBatch",
    "GroupSampler",
    "GroupSplit",
    "ObjectiveConfig",
    "PlantedConfig",
    "PlantedData",
    "RankingLoss",
    "SamplerConfig",
    "SiblingEnergies",
    "SideSummary",
    "SplitSummary",
    "StepMade",
    "TheoremPaths",
    "TidyGroups",
    "TrainingEvent",
    "TrainingObserver",
    "TrainingResult",
    "TrainingStarted",
    "ValidationMeasured",
    "hold_apart",
    "planted_groups",
    "shuffle_roles",
    "split_groups",
    "state_energies",
    "state_texts",
    "tidy_groups",
]
