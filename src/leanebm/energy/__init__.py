"""The energy head: from embeddings of proof states to energies, lower = more provable."""

from leanebm.energy import _installed  # noqa: F401 - first of all
from leanebm.energy.checkpoint import (
    EnergyCheckpoint,
    amend_header,
    load_checkpoint,
    load_header,
    save_checkpoint,
)
from leanebm.energy.checkpoint_header import Calibration, CheckpointHeader, TunedWeights
from leanebm.energy.config import EnergyHeadConfig, SpectralNormMode
from leanebm.energy.energy_model import HeadEnergyModel
from leanebm.energy.head import EnergyHead
from leanebm.energy.spectral import SpectralReport

__all__ = [
    "Calibration",
    "CheckpointHeader",
    "EnergyCheckpoint",
    "EnergyHead",
    "EnergyHeadConfig",
    "HeadEnergyModel",
    "SpectralNormMode",
    "SpectralReport",
    "TunedWeights",
    "amend_header",
    "load_checkpoint",
    "load_header",
    "save_checkpoint",
]
