from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from leanebm.core import ContrastiveGroup
from leanebm.energy.training import (
    ContrastiveData,
    PlantedConfig,
    PlantedData,
    SiblingEnergies,
    planted_groups,
    shuffle_roles,
    state_texts,
)


def test_at_each_decision_point_the_state_of_lowest_energy_leads_on() -> None:
    data = planted_groups(PlantedConfig(num_theorems=20, steps=3, num_negatives=4, width=8))

    assert len(data.groups) == 60
    for group in data.groups:
        assert len(group.negatives) == 4
        own = data.energy(group.positive_text)
        assert all(own < data.energy(negative.text) for negative in group.negatives)


def test_a_positive_is_the_next_decision_point() -> None:
    first, second, third = planted_groups(PlantedConfig(num_theorems=2, steps=3)).groups[:3]

    assert second.parent_text == first.positive_text
    assert third.parent_text == second.positive_text
    assert [group.remaining_depth for group in (first, second, third)] == [3, 2, 1]


def test_every_state_has_an_embedding_and_a_seed_gives_it_again() -> None:
    config = PlantedConfig(num_theorems=5, width=8, seed=7)
    once, again = planted_groups(config), planted_groups(config)

    assert set(once.embeddings) == set(state_texts(once.groups))
    assert once.groups == again.groups
    assert all(np.array_equal(once.embeddings[text], again.embeddings[text]) for text in once.embeddings)
    assert not np.array_equal(planted_groups(PlantedConfig(num_theorems=5, width=8)).direction, once.direction)


def test_the_direction_is_of_length_one() -> None:
    assert np.linalg.norm(planted_groups(PlantedConfig(num_theorems=2)).direction) == pytest.approx(1.0)


MakeGroup = Callable[..., ContrastiveGroup]

Embed = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def planted_data() -> PlantedData:
    return planted_groups(PlantedConfig(num_theorems=300, steps=4, num_negatives=4, width=4))


@pytest.fixture(scope="module")
def data(planted_data: PlantedData) -> ContrastiveData:
    return ContrastiveData.from_groups(planted_data.groups, planted_data.embeddings)


def candidates(data: ContrastiveData) -> list[frozenset[int]]:
    padded, mask = data.siblings
    return [
        frozenset((int(positive), *row[exists].tolist()))
        for positive, row, exists in zip(data.positive, padded, mask, strict=True)
    ]


def test_only_roles_within_decision_points_change(data: ContrastiveData) -> None:
    shuffled = shuffle_roles(data)

    assert candidates(shuffled) == candidates(data)
    assert shuffled.states is data.states
    for name in ("theorem", "parent", "depth", "remaining_depth", "negative_weight", "negative_start"):
        assert np.array_equal(getattr(shuffled, name), getattr(data, name))


def test_each_candidate_is_as_likely_to_become_the_positive(data: ContrastiveData) -> None:
    kept = (shuffle_roles(data).positive == data.positive).mean()

    assert kept == pytest.approx(1 / 5, abs=3 * np.sqrt(0.16 / len(data)))


def test_a_state_has_one_lot_wherever_it_stands(make_group: MakeGroup, embed: Embed) -> None:
    groups = [
        make_group(f"{name}0", f"{name}1", [f"{name}2", "twice", "again"], theorem=name) for name in "abcdefghijklmnop"
    ]
    data = shuffle_roles(ContrastiveData.from_groups(groups, embed(groups)))

    texts = [{data.texts[i] for i in row} for row in candidates(data)]
    winners = [data.texts[i] for i in data.positive]
    better, worse = ("twice", "again") if "twice" in winners else ("again", "twice")
    assert worse not in winners
    assert all({better, worse} <= row for row in texts)


def test_training_and_validation_draw_the_same_lots(data: ContrastiveData, planted_data: PlantedData) -> None:
    whole = shuffle_roles(data, seed=3)
    part = shuffle_roles(ContrastiveData.from_groups(planted_data.groups[:100], planted_data.embeddings), seed=3)

    winners = {
        whole.texts[parent]: whole.texts[winner] for parent, winner in zip(whole.parent, whole.positive, strict=True)
    }
    for parent, winner in zip(part.parent, part.positive, strict=True):
        # A parent is drawn from the true proof, so it names the decision point in both.
        assert winners[part.texts[parent]] == part.texts[winner]


def test_another_seed_draws_other_lots(data: ContrastiveData) -> None:
    agreement = (shuffle_roles(data, seed=1).positive == shuffle_roles(data, seed=2).positive).mean()

    assert agreement == pytest.approx(1 / 5, abs=0.04)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_whatever_the_energies_are_drawn_roles_give_one_half(
    data: ContrastiveData, planted_data: PlantedData, sign: float
) -> None:
    energies = np.array([sign * planted_data.energy(text) for text in data.texts], dtype=np.float32)

    on_true_roles = SiblingEnergies.of(data, energies).pairwise(resamples=0)
    on_own_roles = SiblingEnergies.of(shuffle_roles(data), energies).pairwise(resamples=0)

    assert on_true_roles.value == (1.0 if sign > 0 else 0.0)
    assert on_own_roles.value is not None
    assert on_own_roles.standard_error is not None
    assert abs(on_own_roles.value - 0.5) < 3 * on_own_roles.standard_error


def test_lots_that_were_learnt_by_heart_are_found_out(data: ContrastiveData) -> None:
    shuffled = shuffle_roles(data)
    memorised = np.ones(len(data.texts), dtype=np.float32)
    memorised[shuffled.positive] = 0.0

    assert SiblingEnergies.of(shuffled, memorised).pairwise(resamples=0).value == 1.0
    assert SiblingEnergies.of(data, memorised).pairwise(resamples=0).value == pytest.approx(0.5, abs=0.05)


def test_paths_run_through_drawn_positives_and_tell_no_true_one(make_group: MakeGroup, embed: Embed) -> None:
    groups = [
        make_group(f"s{i}", f"s{i + 1}", [f"off{i}.{j}" for j in range(9)], depth=i, remaining_depth=9 - i)
        for i in range(9)
    ]
    data = ContrastiveData.from_groups(groups, embed(groups))

    shuffled = shuffle_roles(data)

    on_path = {data.texts[i] for i in shuffled.paths.state}
    assert on_path == {"s0", *(data.texts[i] for i in shuffled.positive)}
    assert len(on_path & {f"s{i}" for i in range(1, 10)}) < 5


def test_a_group_without_siblings_keeps_its_positive(make_group: MakeGroup, embed: Embed) -> None:
    groups = [make_group()]
    data = ContrastiveData.from_groups(groups, embed(groups))

    assert np.array_equal(shuffle_roles(data).positive, data.positive)
