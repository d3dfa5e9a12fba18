"""Run by a test, which kills it: trains, and says so on standard output after each logged step."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from leanebm.core import EncoderIdentity
from leanebm.energy import EnergyHeadConfig
from leanebm.energy.training import (
    ContrastiveData,
    EnergyTrainer,
    EnergyTrainerConfig,
    PlantedConfig,
    SamplerConfig,
    StepMade,
    TrainingEvent,
    TrainingObserver,
    TrainingResult,
    planted_groups,
    split_groups,
)


class Announcer:
    """Writes the number of each logged step."""

    def notify(self, event: TrainingEvent) -> None:
        if isinstance(event, StepMade):
            sys.stdout.write(f"{event.step}\n")
            sys.stdout.flush()


def train(folder: Path, observer: TrainingObserver | None = None) -> TrainingResult:
    """A training of 48 steps, 24 of them logged, the same in every process."""
    data = planted_groups(PlantedConfig(num_theorems=24, width=8))
    split = split_groups(data.groups, validation_fraction=0.25)
    config = EnergyTrainerConfig(
        sampler=SamplerConfig(batch_groups=8), max_steps=48, eval_every=12, log_every=2, learning_rate=3e-3
    )
    return EnergyTrainer(config, EnergyHeadConfig(d_in=8, hidden=(16, 8))).fit(
        ContrastiveData.from_groups(split.training, data.embeddings),
        ContrastiveData.from_groups(split.validation, data.embeddings),
        folder,
        encoder=EncoderIdentity(model="planted", pooling="mean", is_normalized=False, dim=8),
        observer=observer,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    train(Path(sys.argv[1]), Announcer())
