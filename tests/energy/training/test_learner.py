from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from leanebm.energy import EnergyHead, EnergyHeadConfig
from leanebm.energy.losses import DepthReadout, bradley_terry
from leanebm.energy.training import (
    ContrastiveData,
    EnergyTrainerConfig,
    GroupBatch,
    GroupSampler,
    ObjectiveConfig,
    RankingLoss,
    SamplerConfig,
)
from leanebm.energy.training._learner import Learner, Objective
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


@pytest.fixture
def data(planted: tuple[ContrastiveData, ContrastiveData]) -> ContrastiveData:
    return planted[0]


@pytest.fixture
def batch(data: ContrastiveData) -> GroupBatch:
    return GroupSampler(data, SamplerConfig(batch_groups=8), seed=0).batch(1)


def objective(data: ContrastiveData, batch: GroupBatch, config: ObjectiveConfig) -> tuple[Objective, EnergyHead]:
    head = EnergyHead(EnergyHeadConfig(d_in=16, hidden=(8,), dropout=0.0))
    return Objective.of(head, DepthReadout(), data.states, batch, config), head


def test_the_total_is_the_weighted_sum_of_its_terms(data: ContrastiveData, batch: GroupBatch) -> None:
    found, _ = objective(data, batch, ObjectiveConfig(path_weight=2.0, depth_weight=3.0, center_weight=4.0))

    parts = found.ranking + 2.0 * found.path + 3.0 * found.depth + 4.0 * found.center
    assert torch.isclose(found.total.detach(), parts)


def test_energies_are_told_apart_by_their_places_in_the_batch(data: ContrastiveData, batch: GroupBatch) -> None:
    found, _ = objective(data, batch, ObjectiveConfig())
    head = EnergyHead(EnergyHeadConfig(d_in=16, hidden=(8,), dropout=0.0))

    energies = head(data.states[torch.from_numpy(batch.rows)]).detach()
    assert torch.equal(found.positive, energies[:8])
    assert torch.equal(found.negative, energies[8:64].view(8, 7))


@pytest.mark.parametrize("loss", list(RankingLoss))
def test_every_ranking_loss_pulls_a_positive_below_its_negatives(
    data: ContrastiveData, batch: GroupBatch, loss: RankingLoss
) -> None:
    config = ObjectiveConfig(loss=loss, path_weight=0.0, depth_weight=0.0, center_weight=0.0)
    head = EnergyHead(EnergyHeadConfig(d_in=16, hidden=(8,), dropout=0.0))
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1)

    def gap() -> float:
        found = Objective.of(head, DepthReadout(), data.states, batch, config)
        return float((found.negative - found.positive[:, None])[torch.from_numpy(batch.mask)].mean())

    before = gap()
    for _ in range(20):
        optimizer.zero_grad()
        Objective.of(head, DepthReadout(), data.states, batch, config).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert gap() > before


def test_settings_reach_the_ranking_loss(data: ContrastiveData, batch: GroupBatch) -> None:
    found, _ = objective(data, batch, ObjectiveConfig(label_smoothing=0.2))

    mask, weight = torch.from_numpy(batch.mask), torch.from_numpy(batch.weight)
    expected = bradley_terry(found.positive, found.negative, mask, weight, label_smoothing=0.2)
    assert torch.isclose(found.ranking, expected)


def test_the_path_term_wants_the_state_nearer_to_the_end_lower(data: ContrastiveData, batch: GroupBatch) -> None:
    config = ObjectiveConfig(path_weight=1.0, depth_weight=0.0, center_weight=0.0, label_smoothing=0.0)
    head = EnergyHead(EnergyHeadConfig(d_in=16, hidden=(8,), dropout=0.0))
    optimizer = torch.optim.SGD(head.parameters(), lr=0.3)
    only_paths = attrs.evolve(batch, mask=np.zeros_like(batch.mask))

    for _ in range(200):
        optimizer.zero_grad()
        found = Objective.of(head, DepthReadout(), data.states, only_paths, config)
        found.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    with torch.no_grad():
        along = head(data.states[torch.from_numpy(batch.along_path)])
        own = head(data.states[torch.from_numpy(batch.positive)])
    is_later = torch.from_numpy(batch.along_path_remaining < batch.remaining_depth)
    pairs = torch.from_numpy(batch.has_path)
    assert ((along < own) == is_later)[pairs].float().mean() > 0.8


def test_a_batch_without_siblings_logs_no_accuracy(data: ContrastiveData) -> None:
    sampler = GroupSampler(data, SamplerConfig(batch_groups=8, hard_fraction=0.0, medium_fraction=1.0), seed=0)
    batch = sampler.batch(1)

    figures = objective(data, batch, ObjectiveConfig())[0].figures(batch)

    assert "pairwise_sibling" not in figures
    assert "e_neg_mean" in figures
