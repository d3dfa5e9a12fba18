"""What spectral normalisation costs: ratios between heads of one shape, measured side by side in one run.

.. code-block:: text

    python benchmarks/energy.py [--device cpu] [--rounds 15] [--seed 0] [--json FILE]

Each comparison runs its contestants in turn, round after round, on the same states, and compares medians: on a CPU of
the processor time of one thread, so that whatever else the machine does hardly matters and meets all of them alike; on
CUDA of the wall time until the device has finished.
The rivals are a plain ``nn.Sequential`` and the same with ``torch.nn.utils.parametrizations.spectral_norm`` at as
many iterations as ours.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import click
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from leanebm.energy import EnergyHead, EnergyHeadConfig, SpectralNormMode
from leanebm.energy.losses import bradley_terry

SHAPES = {"4096 wide": (4096, (2048, 1024, 512)), "384 wide": (384, (512, 256, 128))}
SCORING_BATCHES = (1, 8, 64, 512)
TRAINING_GROUPS = (8, 64)
STATES_A_GROUP = 8
TORCHS = "torch's"
Contestants = Mapping[str, Callable[[], object]]


@attrs.frozen(kw_only=True)
class Comparison:
    """Contestants at one task; the last one is the measure."""

    task: str
    milliseconds: dict[str, float]
    """Median of each."""
    ratios: dict[str, float]
    """Median over rounds of its time over the last one's."""


@attrs.frozen(kw_only=True)
class Figures:
    """What was measured, and on what."""

    machine: str
    load_average: float
    """Over the minute before: figures from a busy machine are worth less."""
    torch: str
    seed: int
    rounds: int
    comparisons: list[Comparison]


def now(device: str) -> float:
    """Seconds on the clock that tells what a device has done so far."""
    if device == "cpu":
        return time.thread_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def compare(task: str, contestants: Contestants, device: str, rounds: int) -> Comparison:
    """Time the contestants in turn, ``rounds`` times, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for i in range(rounds + 1):
        for name, run in contestants.items():
            started_s = now(device)
            run()
            if i > 0:
                times[name].append(1000.0 * (now(device) - started_s))
    *_, measure = times
    ratios = {
        name: statistics.median(a / b for a, b in zip(taken, times[measure], strict=True))
        for name, taken in times.items()
    }
    return Comparison(
        task=task, milliseconds={name: statistics.median(taken) for name, taken in times.items()}, ratios=ratios
    )


def perceptron(d_in: int, hidden: tuple[int, ...], *, normalised: bool) -> nn.Sequential:
    """The head's layers out of torch's own box, without standardisation, scale or dropout."""
    widths = (d_in, *hidden, 1)
    modules: list[nn.Module] = []
    for i in range(len(hidden) + 1):
        layer: nn.Module = nn.Linear(widths[i], widths[i + 1], bias=i < len(hidden))
        iterations = EnergyHeadConfig().power_iterations
        modules += [spectral_norm(layer, n_power_iterations=iterations) if normalised else layer, nn.SiLU()]
    return nn.Sequential(*modules[:-1])


def head(d_in: int, hidden: tuple[int, ...], mode: SpectralNormMode, seed: int) -> EnergyHead:
    """A head without dropout, since its rivals have none."""
    return EnergyHead(EnergyHeadConfig(d_in=d_in, hidden=hidden, spectral_norm=mode, dropout=0.0, seed=seed))


def scoring(name: str, device: str, seed: int, rounds: int) -> list[Comparison]:
    """Forward passes without gradients, by size of the batch."""
    d_in, hidden = SHAPES[name]
    option_c = head(d_in, hidden, SpectralNormMode.RANDOM, seed).to(device).eval()
    frozen = head(d_in, hidden, SpectralNormMode.RANDOM, seed).to(device)
    frozen.freeze_spectral()
    plain = perceptron(d_in, hidden, normalised=False).to(device).eval()
    torchs = perceptron(d_in, hidden, normalised=True).to(device)
    comparisons = []
    for size in SCORING_BATCHES:
        states = torch.randn(size, d_in, generator=torch.Generator().manual_seed(seed)).to(device)
        contestants = {
            "option C": scored(option_c, states),
            TORCHS: scored(torchs, states),  # in train(), where it iterates as Option C does
            "frozen": scored(frozen, states),
            "plain": scored(plain, states),
        }
        with torch.no_grad():
            comparisons.append(compare(f"{name}: score {size}", contestants, device, max(rounds, 400 // size)))
    return comparisons


def scored(model: nn.Module, states: Tensor) -> Callable[[], object]:
    """One forward pass."""
    return lambda: model(states)


def training(name: str, device: str, seed: int, rounds: int) -> list[Comparison]:
    """Whole steps: forward, Bradley–Terry, backward, AdamW."""
    d_in, hidden = SHAPES[name]
    comparisons = []
    for groups in TRAINING_GROUPS:
        states = torch.randn(groups, STATES_A_GROUP, d_in, generator=torch.Generator().manual_seed(seed)).to(device)
        contestants = {
            "option C": trained(head(d_in, hidden, SpectralNormMode.RANDOM, seed), states),
            "persistent": trained(head(d_in, hidden, SpectralNormMode.PERSISTENT, seed), states),
            TORCHS: trained(perceptron(d_in, hidden, normalised=True), states),
            "plain": trained(perceptron(d_in, hidden, normalised=False), states),
        }
        comparisons.append(compare(f"{name}: train on {groups * STATES_A_GROUP}", contestants, device, rounds))
    return comparisons


def trained(model: nn.Module, states: Tensor) -> Callable[[], object]:
    """One step of training, where the states are."""
    model.to(states.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        energies = model(states).reshape(states.shape[:2])
        bradley_terry(energies[:, 0], energies[:, 1:]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def show(figures: Figures) -> None:
    """Print a table a comparison."""
    console = Console()
    console.print(
        f"{figures.machine}; load {figures.load_average:.1f}; torch {figures.torch}, one thread; "
        f"seed {figures.seed}; medians of {figures.rounds} rounds or more"
    )
    table = Table("task", "who", "ms", "× plain", "× torch's")
    for comparison in figures.comparisons:
        for i, (name, ms) in enumerate(comparison.milliseconds.items()):
            table.add_row(
                comparison.task if i == 0 else "",
                name,
                f"{ms:.2f}",
                f"{comparison.ratios[name]:.2f}",
                f"{comparison.ratios[name] / comparison.ratios[TORCHS]:.2f}",
                end_section=i == len(comparison.milliseconds) - 1,
            )
    console.print(table)


def measure(device: str, rounds: int, seed: int) -> Figures:
    """Everything, one comparison after the other."""
    load = os.getloadavg()[0]
    gpu = "" if device == "cpu" else f"{torch.cuda.get_device_name(device)}, "
    torch.set_num_threads(1)
    torch.manual_seed(seed)  # the rivals' weights
    comparisons = [each for name in SHAPES for task in (scoring, training) for each in task(name, device, seed, rounds)]
    return Figures(
        machine=f"{gpu}{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        load_average=load,
        torch=torch.__version__,
        seed=seed,
        rounds=rounds,
        comparisons=comparisons,
    )


@click.command(help=__doc__)
@click.option("--device", default="cpu", show_default=True)
@click.option("--rounds", default=15, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here too."
)
def main(device: str, rounds: int, seed: int, json_path: Path | None) -> None:  # noqa: D103
    figures = measure(device, rounds, seed)
    show(figures)
    if json_path is not None:
        json_path.write_text(json.dumps(attrs.asdict(figures), indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
