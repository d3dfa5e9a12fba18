from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
import safetensors.torch
import torch

from leanebm.energy.training._training_state import Evaluated, TrainingState
from leanebm.errors import EnergyError

STATE = TrainingState(
    settings={"trainer": {"seed": 0, "loss": "margin", "hidden": [1, 2]}, "data": "abc"},
    step=7,
    skipped={"head": 1},
    best=Evaluated(step=5, metrics={"pairwise_sibling": 1 / 3}),
)
TENSORS = {"count": torch.tensor([1, 2]), "weight": torch.randn(2, 3).t(), "scalar": torch.tensor(1.5)}


def test_state_and_tensors_come_back_exactly(tmp_path: Path) -> None:
    STATE.save(tmp_path / "state", TENSORS)

    state, tensors = TrainingState.load(tmp_path / "state")

    assert state == STATE
    assert tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_a_new_training_has_no_best_yet(tmp_path: Path) -> None:
    fresh = attrs.evolve(STATE, best=None)
    fresh.save(tmp_path / "state", {})

    assert TrainingState.load(tmp_path / "state") == (fresh, {})


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"leanebm.training_state": "no JSON"},
        {"leanebm.training_state": "[]"},
        {"leanebm.training_state": '{"schema_version": 1, "state": {"step": "x"}}'},
    ],
)
def test_a_file_that_is_no_state_is_refused(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    safetensors.torch.save_file(TENSORS | {"weight": torch.zeros(1)}, tmp_path / "state", metadata)

    with pytest.raises(EnergyError, match="cannot be read"):
        TrainingState.load(tmp_path / "state")


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    STATE.save(tmp_path / "state", TENSORS)
    whole = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(whole[:-5])

    with pytest.raises(EnergyError, match="cannot be read"):
        TrainingState.load(tmp_path / "state")


def test_a_state_of_another_version_is_refused_by_number(tmp_path: Path) -> None:
    told = {"schema_version": 99, "leanebm_version": "7.1.0", "state": {}}
    metadata = {"leanebm.training_state": json.dumps(told)}
    safetensors.torch.save_file({"count": torch.zeros(1)}, tmp_path / "state", metadata)

    with pytest.raises(EnergyError, match=r"schema version 99; this leanebm goes on from 1\..*leanebm 7\.1\.0, which"):
        TrainingState.load(tmp_path / "state")
