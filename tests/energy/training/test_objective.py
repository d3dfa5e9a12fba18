from __future__ import annotations

import attrs
import numpy as np
import pytest
import torch

from leanebm.energy import EnergyHead, EnergyHeadConfig
from leanebm.energy.losses import DepthReadout, bradley_terry
from leanebm.energy.training import (
    ContrastiveData,
    GroupBatch,
    GroupSampler,
    ObjectiveConfig,
    RankingLoss,
    SamplerConfig,
)
from leanebm.energy.training.objective import Objective


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
