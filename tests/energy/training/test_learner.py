from __future__ import annotations

import attrs
import pytest
import torch

from leanebm.energy import EnergyHeadConfig
from leanebm.energy.training import ContrastiveData, EnergyTrainerConfig, SamplerConfig
from leanebm.energy.training.learner import Learner
from leanebm.errors import EnergyError

HEAD = EnergyHeadConfig(d_in=16, hidden=(8,))
CONFIG = EnergyTrainerConfig(sampler=SamplerConfig(batch_groups=8), max_skipped=2)


@pytest.fixture
def learner(planted: tuple[ContrastiveData, ContrastiveData]) -> Learner:
    learner = Learner("head", *planted, HEAD, CONFIG)
    learner.initialise()
    return learner


def test_a_fresh_head_is_standardised_and_its_energies_spread_by_one(learner: Learner) -> None:
    states = learner.data.states

    assert torch.allclose(learner.head.mean, states.mean(dim=0), atol=1e-6)
    assert torch.allclose(learner.head.std, states.std(dim=0, correction=0), atol=1e-6)
    with torch.no_grad():
        assert learner.head.eval()(states).std() == pytest.approx(1.0, rel=0.1)


def test_a_head_that_takes_embeddings_as_they_are_is_not_standardised(
    planted: tuple[ContrastiveData, ContrastiveData],
) -> None:
    learner = Learner("head", *planted, attrs.evolve(HEAD, standardize=False), CONFIG)
    learner.initialise()

    assert not learner.head.mean.any()


def test_a_restored_learner_goes_on_bit_for_bit(learner: Learner) -> None:
    for number in (1, 2, 3):
        learner.step(number, 1e-3)
    restored = Learner("head", learner.data, learner.validation, HEAD, CONFIG)
    restored.restore({name: tensor.clone() for name, tensor in learner.tensors().items()}, skipped=1)
    for number in (4, 5):
        learner.step(number, 1e-3)
        restored.step(number, 1e-3)

    theirs = restored.tensors()
    assert learner.tensors().keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in learner.tensors().items())
    assert restored.skipped == 1


def test_only_weight_matrices_decay(planted: tuple[ContrastiveData, ContrastiveData]) -> None:
    learner = Learner("head", *planted, HEAD, attrs.evolve(CONFIG, weight_decay=0.5))
    groups = learner._optimizer.param_groups

    decays = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    for name, parameter in learner.head.named_parameters():
        assert decays[id(parameter)] == (0.5 if name.endswith("weight") else 0.0)
    assert decays[id(learner._readout.log_slope)] == 0.0


def test_a_step_that_is_not_finite_changes_no_weight_and_is_counted(learner: Learner) -> None:
    before = {name: tensor.clone() for name, tensor in learner.head.named_parameters()}
    learner.data = attrs.evolve(learner.data, states=learner.data.states * torch.inf)

    learner.step(1, 1e-3)

    assert learner.skipped == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.head.named_parameters())


def test_too_many_such_steps_are_an_error_that_names_the_likely_cause(learner: Learner) -> None:
    with torch.no_grad():
        next(learner.head.parameters()).fill_(torch.nan)

    for number in (1, 2):
        learner.step(number, 1e-3)
    with pytest.raises(EnergyError, match=r"in 3 steps .* 2 are allowed.*learning rate, 1\.0e-03"):
        learner.step(3, 1e-3)
