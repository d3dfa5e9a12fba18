"""``leanebm train-ebm``, but small: it saves after every second step, so that a kill soon meets every file it writes.

python _train_briefly.py OUTPUT SEARCHED NEGATIVES HELD_OUT
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from leanebm.energy.training import EnergyTrainerConfig
from leanebm.pipeline import EMBEDDED_SERVER_URL, EnergySources
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig, EnergyTrainingRun
from leanebm.policy import EncoderConfig, PolicyClientConfig


def main() -> None:
    """Train, weigh and diagnose."""
    output, searched, negatives, held_out = map(Path, sys.argv[1:])
    config = EnergyTrainingConfig(
        hidden=(32,),
        trainer=EnergyTrainerConfig(max_steps=8, eval_every=2, log_every=1),
        policy=PolicyClientConfig(
            url=EMBEDDED_SERVER_URL, encoder=EncoderConfig(cache_file=output.with_name(f"{output.name}.cache"))
        ),
    )
    sources = EnergySources(
        trajectories=(searched,), negatives=(negatives,), val_trajectories=(held_out,), val_negatives=()
    )
    asyncio.run(EnergyTrainingRun(config, sources, output).run())


if __name__ == "__main__":
    main()
