"""Trains an energy head, and beside it a twin that must learn nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from leanebm.core import EncoderIdentity
from leanebm.energy.checkpoint_header import JsonScalar
from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.training.checks import check_trainable
from leanebm.energy.training.config import EnergyTrainerConfig
from leanebm.energy.training.contrastive_data import ContrastiveData
from leanebm.energy.training.events import TrainingObserver
from leanebm.energy.training.result import TrainingResult
from leanebm.energy.training.training_run import TrainingRun
from leanebm.errors import EnergyError

__all__ = ["EnergyTrainer"]


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

    def fit(
        self,
        training: ContrastiveData,
        validation: ContrastiveData,
        folder: Path,
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
            observer: is told what happens.

        Raises:
            ConfigError: torch does not see the device.
            EnergyError: the data cannot be trained on or measured with, the folder belongs to another training, or
                more than ``max_skipped`` steps were not finite.
        """
        check_trainable(self._head, training, validation, encoder)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", timeout=0):
                return TrainingRun(
                    self._config, self._head, training, validation, folder, encoder, run or {}, observer
                ).finish()
        except Timeout as error:
            raise EnergyError(f"another process is training into {folder}; wait for it, or stop it") from error
