"""One training of one head into one folder, from its first step or from where it was interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np
from cattrs.preconf.json import make_converter
from numpy.typing import NDArray
from torch import Tensor

from leanebm._fields import torch_device
from leanebm.core import EncoderIdentity
from leanebm.energy.checkpoint import HEADER_NAME, EnergyCheckpoint, load_checkpoint, save_checkpoint
from leanebm.energy.checkpoint_header import CheckpointHeader, JsonScalar
from leanebm.energy.config import EnergyHeadConfig
from leanebm.energy.training._learner import Learner, StepOutcome
from leanebm.energy.training._training_state import Evaluated, TrainingState
from leanebm.energy.training.config import EnergyTrainerConfig
from leanebm.energy.training.contrastive_data import ContrastiveData
from leanebm.energy.training.controls import shuffle_roles
from leanebm.energy.training.evaluation import SiblingEnergies, state_energies, value_of
from leanebm.energy.training.metrics_log import (
    MetricsLog,
    StepMade,
    TrainingEvent,
    TrainingObserver,
    TrainingStarted,
    ValidationMeasured,
)
from leanebm.energy.training.result import TrainingResult
from leanebm.errors import EnergyError
from leanebm.storage import differences_from_folder, remove_scratch

_STATE_NAME: Final = "training_state.safetensors"

_LAST: Final = "last"

TWIN_NAME: Final = "twin"
"""Folder within a head's folder that holds the twin."""

_SELECTED_BY: Final = "pairwise_sibling"

_TRAINING_SAMPLE: Final = 1000
"""Training groups on which accuracy is measured beside validation, to see memorising."""

_json = make_converter()


class TrainingRun:
    """What :meth:`EnergyTrainer.fit` does, with the folder's lock held."""

    def __init__(
        self,
        config: EnergyTrainerConfig,
        head: EnergyHeadConfig,
        training: ContrastiveData,
        validation: ContrastiveData,
        folder: Path,
        encoder: EncoderIdentity,
        notes: Mapping[str, JsonScalar],
        observer: TrainingObserver | None,
    ) -> None:
        self._started_s = time.perf_counter()
        self._config, self._folder = config, folder
        self._encoder, self._notes, self._observer = encoder, notes, observer
        self._max_steps = config.steps_for(len(training))
        self._eval_every = config.eval_every_of(self._max_steps)
        resolved = attrs.evolve(config, max_steps=self._max_steps, eval_every=self._eval_every)
        self._settings = _settings(resolved, head, training, validation, encoder)
        device = torch_device(config.device)
        training, validation = training.to(device), validation.to(device)
        self._training_sample = _sample(len(training), config.seed)
        self._head, self._twin = Learner("head", training, validation, head, config), None
        if config.with_twin:
            by_lot = [shuffle_roles(side, seed=config.seed) for side in (training, validation)]
            self._twin = Learner("twin", by_lot[0], by_lot[1], head, config)
        self._learners = [self._head] if self._twin is None else [self._head, self._twin]
        self._step = 0
        self._best: Evaluated | None = None

    def finish(self) -> TrainingResult:
        """Make all steps that are still to be made, and say what came out."""
        self._begin()
        with MetricsLog(self._folder, keep_to=self._step) as log:
            self._tell(TrainingStarted(step=self._step, max_steps=self._max_steps))
            while not self._is_over:
                self._advance(log)
        return self._result()

    # --- beginning and going on -----------------------------------------------------------------

    @property
    def _state_path(self) -> Path:
        return self._folder / _STATE_NAME

    def _begin(self) -> None:
        """Start afresh, or from what an interrupted run has saved."""
        for folder in (self._folder, self._folder / _LAST, self._folder / TWIN_NAME):
            remove_scratch(folder)  # of a run that was killed
        if self._state_path.exists():
            self._restore(*TrainingState.load(self._state_path))
            return
        if (self._folder / HEADER_NAME).exists():
            raise EnergyError(
                f"{self._folder} holds a head that no training there belongs to; it is not overwritten. "
                "Train into another folder, or move the head away."
            )
        for learner in self._learners:
            learner.initialise()
        self._save_state()  # from now on the folder is this training's

    def _restore(self, state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
        if differences := differences_from_folder(state.settings, self._settings):
            raise EnergyError(
                f"{self._folder} holds a training with other settings or data, so this one cannot go on there. To "
                "keep that head, train into another folder; to begin again here, delete this one; to go on with that "
                "training, set these alike:\n" + "\n".join(f"  - {line}" for line in differences)
            )
        for learner in self._learners:
            learner.restore(tensors, state.skipped[learner.name])
        self._step, self._best = state.step, state.best

    def _save_state(self) -> None:
        state = TrainingState(
            settings=self._settings,
            step=self._step,
            skipped={learner.name: learner.skipped for learner in self._learners},
            best=self._best,
        )
        state.save(
            self._state_path, {name: one for learner in self._learners for name, one in learner.tensors().items()}
        )

    # --- steps ----------------------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._step >= self._max_steps or self._has_stalled

    @property
    def _has_stalled(self) -> bool:
        waited = self._step - (self._best.step if self._best is not None else 0)
        return self._step < self._max_steps and waited >= self._config.patience * self._eval_every

    def _advance(self, log: MetricsLog) -> None:
        self._step += 1
        learning_rate = self._config.learning_rate_at(self._step, self._max_steps)
        outcome, *of_twin = [learner.step(self._step, learning_rate) for learner in self._learners]
        self._tell(StepMade(step=self._step))
        is_evaluated = self._step % self._eval_every == 0 or self._step == self._max_steps
        if not is_evaluated and self._step % self._config.log_every:
            return
        figures = self._step_figures(outcome, learning_rate)
        if of_twin:
            figures["twin_loss"] = of_twin[0].figures()["loss"]
        if is_evaluated:
            self._evaluate(log, figures)
        else:
            log.add(self._step, figures)

    def _step_figures(self, outcome: StepOutcome, learning_rate: float) -> dict[str, float]:
        figures = {
            **outcome.figures(),
            "learning_rate": learning_rate,
            "log_scale": float(self._head.head.log_scale.detach()),
            "skipped_steps": float(self._head.skipped),
        }
        return {f"train_{name}": value for name, value in figures.items()}

    # --- validation -----------------------------------------------------------------------------

    def _evaluate(self, log: MetricsLog, figures: dict[str, float]) -> None:
        """Measure, keep the head if it is the best so far, and save all that a resumed run needs.

        The state is saved last: a run killed in between goes back to the one before, and comes here again with
        the same numbers.
        """
        metrics = self._measure()
        is_best = self._best is None or metrics[_SELECTED_BY] > self._best.metrics[_SELECTED_BY]
        if is_best:
            self._best = Evaluated(step=self._step, metrics=metrics)
            self._save_head(self._folder, self._head, metrics)
        self._save_head(self._folder / _LAST, self._head, metrics)
        figures |= {f"validation_{name}": metrics[name] for name in _VALIDATION_COLUMNS}
        if self._twin is not None:
            twin = self._measure_twin(self._twin)
            self._save_head(self._folder / TWIN_NAME, self._twin, twin)
            figures |= twin
        log.add(self._step, figures)
        log.save()
        self._save_state()
        self._tell(ValidationMeasured(step=self._step, metrics=metrics, is_best=is_best))

    def _measure(self) -> dict[str, float]:
        head = self._head.head
        validation = self._head.validation
        siblings = SiblingEnergies.of(validation, state_energies(head, validation.states))
        seen = SiblingEnergies.of_sample(self._head.data, self._training_sample, head)
        return {
            **siblings.metrics(),
            "train_pairwise": value_of(seen.pairwise(resamples=0)),
            "log_scale": float(head.log_scale.detach()),
            "skipped_steps": float(self._head.skipped),
        }

    def _measure_twin(self, twin: Learner) -> dict[str, float]:
        energies = state_energies(twin.head, twin.validation.states)
        readings = {"twin_pairwise": twin.validation, "twin_pairwise_true_roles": self._head.validation}
        return {
            name: value_of(SiblingEnergies.of(data, energies).pairwise(resamples=0)) for name, data in readings.items()
        }

    def _save_head(self, folder: Path, learner: Learner, metrics: Mapping[str, float]) -> None:
        origin = {"step": self._step, "role": learner.name, **_summary(self._settings)}
        training = {**self._notes, **origin}
        header = CheckpointHeader(config=learner.head.config, encoder=self._encoder, training=training, metrics=metrics)
        save_checkpoint(folder, EnergyCheckpoint(header=header, head=learner.head))

    # --- result ---------------------------------------------------------------------------------

    def _result(self) -> TrainingResult:
        best, twin_pairwise, validation = load_checkpoint(self._folder), None, self._head.validation
        if self._twin is not None:
            twin_energies = state_energies(self._twin.head, validation.states)
            twin_pairwise = SiblingEnergies.of(self._twin.validation, twin_energies).pairwise()
            metrics = {**best.header.metrics, "twin_pairwise": value_of(twin_pairwise)}
            best = attrs.evolve(best, header=attrs.evolve(best.header, metrics=metrics))
            save_checkpoint(self._folder, best)
        energies = state_energies(best.head, validation.states)
        return TrainingResult(
            folder=self._folder,
            checkpoint=best,
            best_step=0 if self._best is None else self._best.step,
            steps=self._step,
            stopped_early=self._has_stalled,
            pairwise=SiblingEnergies.of(validation, energies).pairwise(),
            twin_pairwise=twin_pairwise,
            elapsed_s=time.perf_counter() - self._started_s,
        )

    def _tell(self, event: TrainingEvent) -> None:
        if self._observer is not None:
            self._observer.notify(event)


_VALIDATION_COLUMNS: Final = (
    "pairwise_sibling",
    "rank1_sibling",
    "rank1_random",
    "e_pos_mean",
    "e_neg_mean",
    "e_std",
    "train_pairwise",
)


def _settings(
    config: EnergyTrainerConfig,
    head: EnergyHeadConfig,
    training: ContrastiveData,
    validation: ContrastiveData,
    encoder: EncoderIdentity,
) -> dict[str, Any]:
    """All that the result depends on, as JSON values."""
    settings = {
        "trainer": _json.unstructure(config),
        "head": _json.unstructure(head),
        "encoder": _json.unstructure(encoder),
        "training_data": training.fingerprint,
        "validation_data": validation.fingerprint,
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))
    return plain


def _summary(settings: Mapping[str, Any]) -> dict[str, JsonScalar]:
    """The settings that a checkpoint records."""
    trainer = settings["trainer"]
    return {
        "loss": trainer["objective"]["loss"],
        "learning_rate": trainer["learning_rate"],
        "max_steps": trainer["max_steps"],
        "seed": trainer["seed"],
        "training_data": settings["training_data"],
        "validation_data": settings["validation_data"],
    }


def _sample(num_groups: int, seed: int) -> NDArray[np.int64]:
    """Some groups, the same whenever it is asked."""
    drawn = np.random.default_rng(seed).permutation(num_groups)[:_TRAINING_SAMPLE]
    return np.sort(drawn).astype(np.int64)
