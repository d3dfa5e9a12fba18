"""``leanebm train-ebm``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm._extras import extra_needed
from leanebm.cli._choice import Choice
from leanebm.cli._options import ENCODERS, RUN, shared_addresses
from leanebm.cli._running import name_options, run_to_end, saying_when_stopped
from leanebm.cli._sections import writable_before_any_work

if TYPE_CHECKING:
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig

_FOLDERS: dict[str, Any] = {"multiple": True, "type": click.Path(exists=True, path_type=Path), "metavar": "FOLDER"}

_SERVERS: dict[str, Any] = {"multiple": True, "callback": shared_addresses, "metavar": "URL"}

_LOSSES = ("bradley_terry", "info_nce", "margin", "listwise")
"""As :class:`~leanebm.energy.training.RankingLoss` has them; to import it would take torch."""

_SPECTRAL_NORMS = ("random", "persistent", "krylov", "none")
"""As :class:`~leanebm.energy.SpectralNormMode` has them."""


def _widths(text: str | None) -> list[int] | None:
    """The numbers in ``512,256,128``; ``none`` stands for no layer."""
    if text is None or text == "none":
        return None if text is None else []
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither of the form 512,256,128 nor 'none'") from None


@click.command(name="train-ebm")
@click.argument("runs", metavar="[RUN...]", nargs=-1, type=RUN)
@click.option("--negatives", **_FOLDERS, help="A folder that generate-negatives wrote; repeatable.")
@click.option("--val", "val_runs", multiple=True, type=RUN, metavar="RUN",
              help="A run of held-out theorems, to judge the head on; repeatable.")  # fmt: skip
@click.option("--val-negatives", **_FOLDERS, help="As --negatives, of held-out theorems; repeatable.")
@click.option("--output-dir", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
              callback=writable_before_any_work, help="Where the head goes; `search --ebm-path` takes it.")  # fmt: skip
@click.option("--server-url", **_SERVERS, help="Whose encoder to use; without it, the embedded one. Repeatable.")
@click.option("--encode-url", **_SERVERS, help="The encoder's server, if it is another one; repeatable.")
@click.option("--encoder", type=Choice(ENCODERS), help="How the encoder is asked.")
@click.option(
    "--embedding-cache",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="A file in which embeddings are kept for the next time.",
)
@click.option("--api-key", metavar="KEY", envvar="LEANEBM_API_KEY", show_envvar=True, help="The key servers ask for.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N",
              help="Training steps at most.  [default: 500 to 20000, by the number of decision points]")  # fmt: skip
@click.option("--learning-rate", type=float, metavar="R", help="The learning rate at its height.  [default: 0.0003]")
@click.option("--loss", type=Choice(_LOSSES),
              help="The loss by which the head learns to rank sibling states.  [default: bradley_terry]")  # fmt: skip
@click.option("--hidden", metavar="N,N,…", callback=lambda _, __, text: _widths(text),
              help="Widths of the hidden layers; 'none' for a linear probe.  "
              "[default: by the embeddings' width]")  # fmt: skip
@click.option("--spectral-norm", type=Choice(_SPECTRAL_NORMS),
              help="How layers are normalised; 'none' for a plain perceptron.  [default: random]")  # fmt: skip
@click.option("--counts", is_flag=True, default=None,
              help="Let the head see eight counts of a state (sizes, goals, hypotheses, symbols) in place of its "
              "embedding: the baseline that a head on embeddings has to beat.")  # fmt: skip
@click.option("--dropout", type=float, metavar="P", help="Share of hidden units left out per step.  [default: 0.1]")
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", help="Seed of the head and its training.  [default: 0]"
)
@click.option("--device", metavar="NAME", help="Where to compute, such as cpu or cuda.  [default: cpu]")
@click.option("--threads", type=click.IntRange(min=1), metavar="N",
              help="Threads of torch.  [default: 1 for small heads, else as many as torch likes]")  # fmt: skip
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


_SETTINGS = {
    "hidden": "hidden",
    "spectral_norm": "spectral_norm",
    "counts": "counts",
    "dropout": "dropout",
    "threads": "threads",
    "steps": "trainer.max_steps",
    "learning_rate": "trainer.learning_rate",
    "seed": "trainer.seed",
    "device": "trainer.device",
    "loss": "trainer.objective.loss",
    "server_url": "policy.url",
    "api_key": "policy.api_key",
    "encode_url": "policy.encoder.url",
    "encoder": "policy.encoder.backend",
    "embedding_cache": "policy.encoder.cache_file",
}
"""Where each option's value stands among the settings."""

_OPTION_OF = {
    **{path if "." in path else f"head.{path}": f"--{name.replace('_', '-')}" for name, path in _SETTINGS.items()},
    "head.seed": "--seed",
    "training_data": "what RUN and --negatives hold",
    "validation_data": "what --val and --val-negatives hold",
}
"""What a person gave for a setting that a folder keeps."""


def _config(given: Mapping[str, Any]) -> EnergyTrainingConfig:
    """The settings that were given, laid over the defaults."""
    from leanebm.pipeline import EMBEDDED_SERVER_URL, Override, structure_with
    from leanebm.pipeline.energy.training_run import EnergyTrainingConfig

    overrides = [
        Override(_SETTINGS[name], value, f"--{name.replace('_', '-')}")
        for name, value in given.items()
        if value is not None
    ]
    table = {"policy": {"url": EMBEDDED_SERVER_URL}}
    return structure_with(overrides, table, EnergyTrainingConfig)
