"""``leanebm train-ebm``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm._extras import extra_needed
from leanebm.cli._options import ENCODERS, PART, RUN, Setting, overrides, part, shared_addresses
from leanebm.cli._running import name_options, run_to_end, saying_when_stopped
from leanebm.cli._sections import Choice, decorated, writable_before_any_work

if TYPE_CHECKING:
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig

_FOLDERS: dict[str, Any] = {"multiple": True, "type": click.Path(exists=True, path_type=Path), "metavar": "FOLDER"}

_LOSSES = ("bradley_terry", "info_nce", "margin", "listwise")
"""As :class:`~leanebm.energy.training.RankingLoss` has them; to import it would take torch."""

_SPECTRAL_NORMS = ("random", "persistent", "krylov", "none")
"""As :class:`~leanebm.energy.SpectralNormMode` has them."""


def _widths(text: str) -> list[int]:
    """The numbers in ``512,256,128``; ``none`` stands for no layer."""
    try:
        return [] if text == "none" else [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"{text!r} is neither of the form 512,256,128 nor 'none'") from None


_SETTINGS = (
    Setting("--server-url", "policy.url", str, "Whose encoder to use; without it, the embedded one. Repeatable.",
            "URL", gather=shared_addresses),
    Setting("--encode-url", "policy.encoder.url", str, "The encoder's server, if it is another one; repeatable.",
            "URL", gather=shared_addresses),
    Setting("--encoder", "policy.encoder.backend", Choice(ENCODERS), "How the encoder is asked."),
    Setting("--embedding-cache", "policy.encoder.cache_file", click.Path(dir_okay=False),
            "A file in which embeddings are kept for the next time.", "FILE"),
    Setting("--api-key", "policy.api_key", str, "The key servers ask for.", "KEY", envvar="LEANEBM_API_KEY"),
    Setting("--steps", "trainer.max_steps", click.IntRange(min=1),
            "Training steps at most.  [default: 500 to 20000, by the number of decision points]", "N"),
    Setting("--learning-rate", "trainer.learning_rate", float,
            "The learning rate at its height.  [default: 0.0003]", "R"),
    Setting("--loss", "trainer.objective.loss", Choice(_LOSSES),
            "The loss by which the head learns to rank sibling states.  [default: bradley_terry]"),
    Setting("--hidden", "hidden", str, "Widths of the hidden layers; 'none' for a linear probe.  "
            "[default: by the embeddings' width]", "N,N,…", read=_widths),
    Setting("--spectral-norm", "spectral_norm", Choice(_SPECTRAL_NORMS),
            "How layers are normalised; 'none' for a plain perceptron.  [default: random]"),
    Setting("--state-encoder", "encoder", str, "What makes vectors of states: package.module:Name for your own, or "
            "counts, which sees sizes alone: the baseline that a head on embeddings has to beat.  "
            "[default: the server]", PART, read=part),
    Setting("--dropout", "dropout", float, "Share of hidden units left out per step.  [default: 0.1]", "P"),
    Setting("--seed", "trainer.seed", click.IntRange(min=0), "Seed of the head and its training.  [default: 0]", "N"),
    Setting("--device", "trainer.device", str, "Where to compute, such as cpu or cuda.  [default: cpu]", "NAME"),
    Setting("--threads", "threads", click.IntRange(min=1),
            "Threads of torch.  [default: 1 for small heads, else as many as torch likes]", "N"),
)  # fmt: skip

_OPTION_OF = {
    **{setting.path if "." in setting.path else f"head.{setting.path}": setting.option for setting in _SETTINGS},
    "head.seed": "--seed",
    "encoder": "--state-encoder",
    "training_data": "what RUN and --negatives hold",
    "validation_data": "what --val and --val-negatives hold",
}
"""What a person gave for a setting that a folder keeps."""


@click.command(name="train-ebm")
@click.argument("runs", metavar="[RUN...]", nargs=-1, type=RUN)
@click.option("--negatives", **_FOLDERS, help="A folder that generate-negatives wrote; repeatable.")
@click.option("--val", "val_runs", multiple=True, type=RUN, metavar="RUN",
              help="A run of held-out theorems, to judge the head on; repeatable.")  # fmt: skip
@click.option("--val-negatives", **_FOLDERS, help="As --negatives, of held-out theorems; repeatable.")
@click.option("--output-dir", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              callback=writable_before_any_work, help="Where the head goes; `search --ebm-path` takes it.")  # fmt: skip
@partial(decorated, options=[setting.decorate for setting in _SETTINGS])
def train_ebm(
    *,
    runs: tuple[Path, ...],
    negatives: tuple[Path, ...],
    val_runs: tuple[Path, ...],
    val_negatives: tuple[Path, ...],
    output_dir: Path,
    **settings: Any,
) -> None:
    """Train an energy head on what searches found, and say whether it is any good.

    Each RUN is a run's folder, its trajectory, or one shard of it. Without --val or --val-negatives, the theorems of
    some library modules are kept back to judge the head on. OUTPUT-DIR gets the head, its calibration for the search,
    every figure about it, and report.html. Stop it with Ctrl-C at any time; the same command goes on.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.cli.ebm_report import print_diagnosis
    from leanebm.pipeline import EnergySources

    with extra_needed("energy", "training an energy head"):
        from leanebm.pipeline.energy.training_run import EnergyTrainingRun
    sources = EnergySources(
        trajectories=runs,
        negatives=negatives,
        val_trajectories=val_runs,
        val_negatives=val_negatives,
    )
    console = ClearConsole()
    stopped = f"\nStopped. Kept in {output_dir}; the same command goes on."
    name_options(_OPTION_OF)
    with saying_when_stopped(lambda: stopped), open_display() as display:
        training = EnergyTrainingRun(_config(settings), sources, output_dir, observer=display)
        diagnosis = run_to_end(training.run())
    print_diagnosis(console, diagnosis, output_dir / "report.html")


def _config(given: Mapping[str, Any]) -> EnergyTrainingConfig:
    """The settings that were given, laid over the defaults."""
    from leanebm.pipeline import EMBEDDED_SERVER_URL, structure_with
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig

    found = overrides({setting: given[setting.parameter] for setting in _SETTINGS})
    return structure_with(found, {"policy": {"url": EMBEDDED_SERVER_URL}}, EnergyTrainingConfig)
