from __future__ import annotations

import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from leanebm.core import ContrastiveGroup, EncoderIdentity
from leanebm.energy import EnergyHeadConfig, load_checkpoint
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
    TrainingStarted,
    ValidationMeasured,
    planted_groups,
    split_groups,
    state_energies,
)
from leanebm.energy.training import trainer as trainer_module
from leanebm.energy.training.trainer import check_trainable
from leanebm.errors import EnergyError

Sides = tuple[ContrastiveData, ContrastiveData]

Embed = Callable[..., dict[str, Any]]

SCRIPT = Path(__file__).with_name("train_until_killed.py")

HEAD = EnergyHeadConfig(d_in=16, hidden=(16, 8))

CONFIG = EnergyTrainerConfig(
    sampler=SamplerConfig(batch_groups=8), max_steps=60, eval_every=20, log_every=10, learning_rate=3e-3
)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


@attrs.define
class Recorder:
    """Keeps events, and interrupts the training after a step."""

    stop_after: int | None = None
    events: list[TrainingEvent] = attrs.field(factory=list)

    def notify(self, event: TrainingEvent) -> None:
        self.events.append(event)
        if isinstance(event, StepMade) and event.step == self.stop_after:
            raise Interrupted


def fit(
    sides: Sides,
    folder: Path,
    encoder: EncoderIdentity,
    config: EnergyTrainerConfig = CONFIG,
    observer: TrainingObserver | None = None,
) -> TrainingResult:
    return EnergyTrainer(config, HEAD).fit(*sides, folder, encoder=encoder, observer=observer)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a training but the curves, which carry times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "tensorboard" not in path.parts
    }


# --- what comes out ---------------------------------------------------------------------------------
def test_a_planted_direction_is_found_and_the_twin_finds_nothing(
    tmp_path: Path, encoder: EncoderIdentity, device: str
) -> None:
    data = planted_groups(PlantedConfig(num_theorems=500, width=16))
    split = split_groups(data.groups, validation_fraction=0.5)
    training, validation = (
        ContrastiveData.from_groups(side, data.embeddings) for side in (split.training, split.validation)
    )
    config = attrs.evolve(CONFIG, max_steps=200, eval_every=100, device=device)

    result = fit((training, validation), tmp_path, encoder, config)

    assert len(validation) >= 1100  # half of 0.02 is then above the standard error of drawn roles, 0.327 / √G
    assert result.metrics["pairwise_sibling"] >= 0.95
    assert result.twin_pairwise is not None
    assert result.twin_pairwise.value == pytest.approx(0.5, abs=0.02)


def test_a_leak_from_validation_raises_the_twin(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer_module, "check_trainable", lambda *_: None)
    leaking = (planted[1], planted[1])

    result = fit(leaking, tmp_path, encoder, attrs.evolve(CONFIG, max_steps=150, eval_every=150, learning_rate=3e-2))

    assert result.twin_pairwise is not None
    assert result.twin_pairwise.is_above(0.53)


def test_the_best_head_is_kept_with_its_origin_and_figures(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity
) -> None:
    result = EnergyTrainer(CONFIG, HEAD).fit(*planted, tmp_path, encoder=encoder, run={"groups": "somewhere"})

    checkpoint = load_checkpoint(tmp_path, encoder=encoder)
    accuracy = pq.read_table(tmp_path / "metrics.parquet").to_pydict()
    by_step = {
        step: value
        for step, value in zip(accuracy["step"], accuracy["validation_pairwise_sibling"], strict=True)
        if value is not None
    }
    assert set(by_step) == {20, 40, 60}
    assert result.best_step == max(by_step, key=lambda step: by_step[step])
    assert checkpoint.header.metrics == result.metrics
    assert result.pairwise.value == result.metrics["pairwise_sibling"] == by_step[result.best_step]
    assert checkpoint.header.training["groups"] == "somewhere"
    assert checkpoint.header.training["step"] == result.best_step
    assert load_checkpoint(tmp_path / "last").header.training["step"] == 60
    assert load_checkpoint(tmp_path / "twin").header.training["role"] == "twin"


def test_the_result_counts_its_steps(tmp_path: Path, planted: Sides, encoder: EncoderIdentity) -> None:
    result = fit(planted, tmp_path, encoder)

    assert result.facts.steps == 60
    assert result.facts.skipped_steps == 0


def test_training_without_a_twin_is_possible(tmp_path: Path, planted: Sides, encoder: EncoderIdentity) -> None:
    alone = fit(planted, tmp_path / "alone", encoder, attrs.evolve(CONFIG, with_twin=False))
    beside = fit(planted, tmp_path / "beside", encoder)

    assert alone.twin_pairwise is None
    assert "twin_pairwise" not in alone.metrics
    assert not (tmp_path / "alone" / "twin").exists()
    one, other = (state_energies(result.checkpoint.head, planted[1].states) for result in (alone, beside))
    assert one.tolist() == other.tolist()  # the twin takes nothing from the head


def test_training_stops_when_validation_no_longer_improves(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity
) -> None:
    config = attrs.evolve(CONFIG, max_steps=1000, eval_every=10, patience=2, learning_rate=1e-12)

    result = fit(planted, tmp_path, encoder, config)

    assert result.stopped_early
    assert result.steps == result.best_step + 20 < 1000


def test_events_tell_the_course_of_a_training(tmp_path: Path, planted: Sides, encoder: EncoderIdentity) -> None:
    recorder = Recorder()

    fit(planted, tmp_path, encoder, observer=recorder)

    assert recorder.events[0] == TrainingStarted(step=0, max_steps=60)
    made = [event.step for event in recorder.events if isinstance(event, StepMade)]
    measured = [event for event in recorder.events if isinstance(event, ValidationMeasured)]
    assert made == list(range(1, 61))
    assert [event.step for event in measured] == [20, 40, 60]
    assert measured[0].is_best


# --- data at the edge -------------------------------------------------------------------------------
def test_one_theorem_of_one_group_is_enough_to_train_on(
    tmp_path: Path, make_group: Callable[..., ContrastiveGroup], embed: Embed, encoder: EncoderIdentity
) -> None:
    groups = [make_group(f"{t}0", f"{t}1", [f"{t}2"], theorem=t) for t in "xy"]
    embeddings = embed(groups, 16)
    sides = tuple(ContrastiveData.from_groups([group], embeddings) for group in groups)

    result = fit((sides[0], sides[1]), tmp_path, encoder, attrs.evolve(CONFIG, max_steps=20))

    assert result.metrics["train_pairwise"] == 1.0
    assert result.pairwise.count == 1


def test_groups_without_negatives_are_trained_on_beside_others(
    tmp_path: Path, make_group: Callable[..., ContrastiveGroup], embed: Embed, encoder: EncoderIdentity
) -> None:
    groups = [make_group(f"x{i}", f"x{i + 1}", theorem="x", depth=i, remaining_depth=5 - i) for i in range(4)]
    training = [*groups, make_group("x4", "x5", ["off"], theorem="x", depth=4)]
    validation = [make_group("y0", "y1", ["y2"], theorem="y")]
    embeddings = embed([*training, *validation], 16)
    sides = ContrastiveData.from_groups(training, embeddings), ContrastiveData.from_groups(validation, embeddings)

    fit(sides, tmp_path, encoder, attrs.evolve(CONFIG, max_steps=20, learning_rate=1e-2))

    path = [float(row["train_path"]) for row in pq.read_table(tmp_path / "metrics.parquet").to_pylist()]
    assert all(np.isfinite(path))


def test_a_width_that_does_not_fit_is_refused_before_the_folder_is_made(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity
) -> None:
    with pytest.raises(EnergyError, match="width 16, the head takes 32"):
        EnergyTrainer(CONFIG, EnergyHeadConfig(d_in=32)).fit(*planted, tmp_path / "new", encoder=encoder)

    assert not (tmp_path / "new").exists()


# --- interruptions ----------------------------------------------------------------------------------
def test_an_interrupted_training_ends_with_the_same_bits(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity, device: str
) -> None:
    config = attrs.evolve(CONFIG, device=device)
    whole = fit(planted, tmp_path / "whole", encoder, config)
    for stop_after in (10, 30, 40, 60):  # before anything was saved, between, just after, and at the very end
        with pytest.raises(Interrupted):
            fit(planted, tmp_path / "torn", encoder, config, observer=Recorder(stop_after))

    torn = fit(planted, tmp_path / "torn", encoder, config)

    assert contents(tmp_path / "torn") == contents(tmp_path / "whole")
    assert torn.twin_pairwise == whole.twin_pairwise


def test_a_process_killed_at_any_moment_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    train = runpy.run_path(str(SCRIPT))["train"]
    train(tmp_path / "whole")
    lines = random.Random().randrange(1, 24)  # noqa: S311 - any moment will do
    with subprocess.Popen([sys.executable, SCRIPT, tmp_path / "killed"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert process.returncode in {-signal.SIGKILL, 0}  # 0 if it was quicker than the signal

    train(tmp_path / "killed")

    assert contents(tmp_path / "killed") == contents(tmp_path / "whole"), f"killed after {lines} lines"


def test_a_complete_training_is_not_trained_further(tmp_path: Path, planted: Sides, encoder: EncoderIdentity) -> None:
    first = fit(planted, tmp_path, encoder)
    before = contents(tmp_path)
    recorder = Recorder()

    again = fit(planted, tmp_path, encoder, observer=recorder)

    assert contents(tmp_path) == before
    assert (again.metrics, again.pairwise, again.best_step) == (first.metrics, first.pairwise, first.best_step)
    assert not any(isinstance(event, StepMade) for event in recorder.events)


def test_other_settings_or_data_are_refused_with_both_values(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity
) -> None:
    with pytest.raises(Interrupted):
        fit(planted, tmp_path, encoder, observer=Recorder(30))
    before = contents(tmp_path)

    with pytest.raises(EnergyError, match=r"\$\.trainer\.learning_rate: 0\.003 in the folder, 0\.1 now"):
        fit(planted, tmp_path, encoder, attrs.evolve(CONFIG, learning_rate=0.1))
    with pytest.raises(EnergyError, match=r"\$\.encoder\.weights: None in the folder, 'newer' now"):
        fit(planted, tmp_path, attrs.evolve(encoder, weights="newer"))
    with pytest.raises(EnergyError, match=r"\$\.training_data: '[0-9a-f]{16}' in the folder, '[0-9a-f]{16}' now"):
        fit((planted[1], planted[0]), tmp_path, encoder)

    assert contents(tmp_path) == before


def test_a_head_that_is_not_this_training_s_is_not_overwritten(
    tmp_path: Path, planted: Sides, encoder: EncoderIdentity
) -> None:
    fit(planted, tmp_path, encoder)
    (tmp_path / "training_state.safetensors").unlink()

    with pytest.raises(EnergyError, match="not overwritten"):
        fit(planted, tmp_path, encoder)


def test_two_trainings_do_not_share_a_folder(tmp_path: Path, planted: Sides, encoder: EncoderIdentity) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(EnergyError, match="another process is training"):
        fit(planted, tmp_path, encoder)


MakeGroup = Callable[..., ContrastiveGroup]

Embed_checks = Callable[..., dict[str, Any]]

Sides_checks = tuple[ContrastiveData, ContrastiveData]

HEAD_CHECKS = EnergyHeadConfig(d_in=16, hidden=(8,))


def test_planted_data_can_be_trained_on(planted: Sides_checks, encoder: EncoderIdentity) -> None:
    check_trainable(HEAD_CHECKS, *planted, encoder)


def test_an_encoder_may_leave_its_width_unsaid(planted: Sides_checks, encoder: EncoderIdentity) -> None:
    check_trainable(HEAD_CHECKS, *planted, attrs.evolve(encoder, dim=None))


def test_another_width_is_refused_with_both(planted: Sides_checks, encoder: EncoderIdentity) -> None:
    with pytest.raises(EnergyError) as caught:
        check_trainable(EnergyHeadConfig(d_in=4096), *planted, encoder)

    for side in ("training", "validation", "the encoder's"):
        assert f"{side} embeddings have width 16, the head takes 4096" in str(caught.value)


def test_sides_without_negatives_are_refused_together(
    make_group: MakeGroup, embed: Embed_checks, encoder: EncoderIdentity
) -> None:
    groups = [make_group("a", "b", theorem="x")], [make_group("c", "d", theorem="y")]
    sides = [ContrastiveData.from_groups(side, embed(side, 16)) for side in groups]

    with pytest.raises(EnergyError) as caught:
        check_trainable(HEAD_CHECKS, sides[0], sides[1], encoder)

    assert "no training group has a negative" in str(caught.value)
    assert "no validation group has a sibling" in str(caught.value)


def test_sides_that_share_theorems_and_states_are_refused(planted: Sides_checks, encoder: EncoderIdentity) -> None:
    with pytest.raises(EnergyError) as caught:
        check_trainable(HEAD_CHECKS, planted[0], planted[0], encoder)

    count = len(planted[0].theorems)
    assert f"{count} theorems are in training and in validation, such as planted_" in str(caught.value)
    assert f"{len(planted[0].texts)} states are in training and in validation" in str(caught.value)
