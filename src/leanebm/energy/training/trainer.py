"""Trains an energy head, and beside it a twin that must learn nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from leanebm._shown import named_repr
from leanebm.core import EncoderIdentity
from leanebm.energy.checkpoint import sole_writer
from leanebm.energy.checkpoint_header import JsonScalar
from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.training._training_run import TrainingRun
from leanebm.energy.training.config import EnergyTrainerConfig
from leanebm.energy.training.contrastive_data import ContrastiveData
from leanebm.energy.training.metrics_log import TrainingObserver
from leanebm.energy.training.result import TrainingResult
from leanebm.errors import EnergyError


def check_trainable(
    head: EnergyHeadConfig, training: ContrastiveData, validation: ContrastiveData, encoder: EncoderIdentity
) -> None:
    """Make sure that a head of this configuration can learn from the one side and be judged on the other.

    Raises:
        EnergyError: it cannot; every reason is listed.
    """
    problems = [*_widths(head, training, validation, encoder), *_contents(training, validation)]
    problems += _overlaps(training, validation)
    if problems:
        raise EnergyError("the energy head cannot be trained on this data:\n" + "\n".join(f"  - {p}" for p in problems))


def _widths(
    head: EnergyHeadConfig, training: ContrastiveData, validation: ContrastiveData, encoder: EncoderIdentity
) -> Iterator[str]:
    for name, width in (("training", training.width), ("validation", validation.width), ("the encoder's", encoder.dim)):
        if width is not None and width != head.d_in:
            yield (
                f"{name} embeddings have width {width}, the head takes {head.d_in}: "
                f"set d_in = {width}, or use the encoder that the head is for"
            )


def _contents(training: ContrastiveData, validation: ContrastiveData) -> Iterator[str]:
    if not len(training.negative):
        yield "no training group has a negative, so there is nothing to tell apart: sample more tactics per step"
    if not len(validation.negative):
        yield (
            "no validation group has a sibling off the path, so accuracy cannot be measured and no best head chosen: "
            "hold out more families, or sample more tactics per step"
        )


def _overlaps(training: ContrastiveData, validation: ContrastiveData) -> Iterator[str]:
    theorems = sorted(set(training.theorems) & set(validation.theorems))
    if theorems:
        yield f"{len(theorems)} theorems are in training and in validation, such as {theorems[0]}: use `split_groups`"
    states = set(training.texts) & set(validation.texts)
    if states:
        yield (
            f"{len(states)} states are in training and in validation, such as {min(states)!r}: accuracy would be "
            "flattered; use `split_groups`"
        )


class EnergyTrainer:
    """Trains heads of one configuration.

    ::

        split = split_groups(groups)
        texts = state_texts((*split.training, *split.validation))
        embeddings = dict(zip(texts, await encoder.encode(texts)))
        result = EnergyTrainer(EnergyTrainerConfig(), EnergyHeadConfig(d_in=384)).fit(
            ContrastiveData.from_groups(split.training, embeddings),
            ContrastiveData.from_groups(split.validation, embeddings),
            Path("runs/head"),
            encoder=await encoder.identity(),
        )

    Args:
        config: of the training.
        head: of the head.
    """

    def __init__(self, config: EnergyTrainerConfig, head: EnergyHeadConfig) -> None:
        self._config = config
        self._head = head

    __repr__ = named_repr("_config", "_head")

    def fit(
        self,
        training: ContrastiveData,
        validation: ContrastiveData,
        folder: Path | str,
        *,
        encoder: EncoderIdentity,
        run: Mapping[str, JsonScalar] | None = None,
        observer: TrainingObserver | None = None,
    ) -> TrainingResult:
        """Train a head into ``folder``, or finish a training that was interrupted there.

        .. code-block:: text

            FOLDER/
              head.json head-….safetensors   the best head so far, a checkpoint
              last/                          the head after the last evaluation, a checkpoint
              twin/                          the shuffled twin after it, a checkpoint: noise of the same making
              metrics.csv metrics.parquet    figures over steps
              tensorboard/                   the same as curves
              training_state.safetensors     what a resumed run goes on from

        A training killed at any moment is finished by the same call. With as many torch threads, or on the same kind
        of GPU, it then ends with the same weights and tables as if it had never been killed, bit for bit. Called
        again when it is complete, it trains no further.

        Args:
            training: what to learn from.
            validation: held-out decision points, by which the best head is chosen.
            folder: made if it is not there.
            encoder: whose vectors ``training`` and ``validation`` hold.
            run: anything that the checkpoint should say of where it came from.
            observer: receives what happens.

        Raises:
            ConfigError: torch does not see the device.
            EnergyError: the data cannot be trained on or measured with, the folder belongs to another training, or
                more than ``max_skipped`` steps were not finite.
        """
        check_trainable(self._head, training, validation, encoder)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with sole_writer(folder):
            return TrainingRun(
                self._config, self._head, training, validation, folder, encoder, run or {}, observer
            ).finish()
