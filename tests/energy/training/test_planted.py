from __future__ import annotations

import numpy as np
import pytest

from leanebm.energy.training import PlantedConfig, planted_groups, state_texts


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
