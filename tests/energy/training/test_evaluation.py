from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from leanebm.core import ContrastiveGroup
from leanebm.energy import EnergyHead, EnergyHeadConfig
from leanebm.energy.training import ContrastiveData, SiblingEnergies, state_energies

MakeGroup = Callable[..., ContrastiveGroup]
Embed = Callable[..., dict[str, Any]]


@pytest.fixture
def head() -> EnergyHead:
    return EnergyHead(EnergyHeadConfig(d_in=4, hidden=(8,)))


@pytest.fixture
def data(make_group: MakeGroup, embed: Embed) -> ContrastiveData:
    groups = [
        make_group("a0", "a1", ["a2", "a3"], theorem="a"),
        make_group("b0", "b1", theorem="b"),
        make_group("c0", "c1", ["c2"], theorem="c"),
    ]
    return ContrastiveData.from_groups(groups, embed(groups))


def test_measuring_leaves_no_trace_in_the_head(head: EnergyHead, data: ContrastiveData) -> None:
    head.train()
    before = {name: tensor.clone() for name, tensor in head.state_dict().items()}

    once, again = state_energies(head, data.states), state_energies(head, data.states)

    assert np.array_equal(once, again)
    assert head.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in head.state_dict().items())


def test_a_frozen_head_is_measured_frozen(head: EnergyHead, data: ContrastiveData) -> None:
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.mul_(1.5)  # as training does, in place
    head.freeze_spectral()

    with torch.no_grad():
        expected = head(data.states).numpy()
    assert np.array_equal(state_energies(head, data.states), expected)
    assert head.is_frozen


def test_accuracy_is_over_theorems_and_leaves_out_groups_without_siblings(data: ContrastiveData) -> None:
    energy = {"a1": 0.0, "a2": 1.0, "a3": -1.0, "c1": 0.0, "c2": 2.0}
    energies = np.array([energy.get(text, 5.0) for text in data.texts], dtype=np.float32)

    metrics = SiblingEnergies.of(data, energies).metrics()

    assert metrics["pairwise_sibling"] == pytest.approx((0.5 + 1.0) / 2)
    assert metrics["rank1_sibling"] == pytest.approx(0.5)
    assert metrics["rank1_random"] == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert metrics["e_neg_mean"] == pytest.approx(2 / 3)


def test_a_sample_has_the_energies_of_its_groups_alone(head: EnergyHead, data: ContrastiveData) -> None:
    head.freeze_spectral()
    whole = SiblingEnergies.of(data, state_energies(head, data.states))

    sample = SiblingEnergies.of_sample(data, np.array([0, 2]), head)

    assert np.allclose(sample.positive, whole.positive[[0, 2]], atol=1e-6)
    assert np.allclose(sample.negative[sample.mask], whole.negative[[0, 2]][whole.mask[[0, 2]]], atol=1e-6)
    assert sample.theorem.tolist() == [0, 2]
