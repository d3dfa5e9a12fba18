"""The energy head: from embeddings of proof states to energies, lower = more provable."""

from leanebm.energy.checkpoint import EnergyCheckpoint, load_checkpoint, save_checkpoint
from leanebm.energy.checkpoint_header import CheckpointHeader
from leanebm.energy.config import EnergyHeadConfig, SpectralNormMode
from leanebm.energy.head import EnergyHead
from leanebm.energy.spectral_report import SpectralReport

__all__ = [
    "CheckpointHeader",
    "EnergyCheckpoint",
    "EnergyHead",
    "EnergyHeadConfig",
    "SpectralNormMode",
    "SpectralReport",
    "load_checkpoint",
    "save_checkpoint",
]
