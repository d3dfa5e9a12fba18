"""Does training find a signal that is known to be there, and does the twin find nothing?

.. code-block:: text

    python benchmarks/planted_signal.py [--theorems 2000] [--width 64] [--steps 400] [--seeds 3] [--device cpu]

Random states with a hidden direction ``w``; at each decision point the state of lowest ``E = -w·z`` leads on.
For each seed: sibling pairwise accuracy on held-out theorems, the shuffled twin's on its own roles, both with their
standard errors, and the seconds that training and judging both took, by the clock and by the processor.
"""

from __future__ import annotations

import json
import math
import platform
import tempfile
import time
from pathlib import Path

import attrs
import click
import torch
from rich.console import Console
from rich.table import Table

from leanebm.core import EncoderIdentity
from leanebm.energy import EnergyHeadConfig
from leanebm.energy.training import (
    ContrastiveData,
    EnergyTrainer,
    EnergyTrainerConfig,
    PlantedConfig,
    planted_groups,
    split_groups,
)


@attrs.frozen(kw_only=True)
class Outcome:
    """What one seed gave."""

    seed: int
    validation_groups: int
    pairwise: float
    pairwise_error: float
    twin: float
    twin_error: float
    best_step: int
    wall_s: float
    cpu_s: float


def measure(theorems: int, width: int, steps: int, seed: int, device: str) -> Outcome:
    """Plant, hold out half, train with the default objective and batches, and read head and twin."""
    data = planted_groups(PlantedConfig(num_theorems=theorems, width=width, seed=seed))
    split = split_groups(data.groups, validation_fraction=0.5, seed=seed)
    training = ContrastiveData.from_groups(split.training, data.embeddings)
    validation = ContrastiveData.from_groups(split.validation, data.embeddings)
    config = EnergyTrainerConfig(max_steps=steps, learning_rate=3e-3, eval_every=200, seed=seed, device=device)
    head = EnergyHeadConfig(d_in=width, hidden=(128, 64, 32), seed=seed)
    encoder = EncoderIdentity(model="planted", pooling="mean", is_normalized=False, dim=width)
    started_cpu_s = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        result = EnergyTrainer(config, head).fit(training, validation, Path(folder), encoder=encoder)
    assert result.twin_pairwise is not None
    return Outcome(
        seed=seed,
        validation_groups=len(validation),
        pairwise=result.pairwise.value or math.nan,
        pairwise_error=result.pairwise.standard_error or math.nan,
        twin=result.twin_pairwise.value or math.nan,
        twin_error=result.twin_pairwise.standard_error or math.nan,
        best_step=result.best_step,
        wall_s=result.elapsed_s,
        cpu_s=time.process_time() - started_cpu_s,
    )


@click.command()
@click.option("--theorems", default=2000, show_default=True, help="Theorems of five decision points each.")
@click.option("--width", default=64, show_default=True, help="Width of an embedding.")
@click.option("--steps", default=400, show_default=True, help="Training steps.")
@click.option("--seeds", default=3, show_default=True, help="How often, with seeds from 0 on.")
@click.option("--threads", default=1, show_default=True, help="Threads that torch computes with.")
@click.option("--device", default="cpu", show_default=True, help="Where torch computes.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Also write the figures here.")
def main(theorems: int, width: int, steps: int, seeds: int, threads: int, device: str, json_path: Path | None) -> None:
    """Train on planted data and print what came out."""
    torch.set_num_threads(threads)
    outcomes = [measure(theorems, width, steps, seed, device) for seed in range(seeds)]
    machine = (
        f"{platform.machine()}, {device}, {threads} thread(s), torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )
    table = Table(title=f"{theorems} theorems, {width} wide, {steps} steps; {machine}")
    for column in ("seed", "validation groups", "sibling pairwise", "shuffled twin", "best step", "wall s", "CPU s"):
        table.add_column(column, justify="right")
    for one in outcomes:
        table.add_row(
            str(one.seed),
            str(one.validation_groups),
            f"{one.pairwise:.4f} ± {one.pairwise_error:.4f}",
            f"{one.twin:.4f} ± {one.twin_error:.4f}",
            str(one.best_step),
            f"{one.wall_s:.1f}",
            f"{one.cpu_s:.1f}",
        )
    Console(width=120).print(table)
    if json_path is not None:
        figures = {"machine": machine, "outcomes": [attrs.asdict(one) for one in outcomes]}
        json_path.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
