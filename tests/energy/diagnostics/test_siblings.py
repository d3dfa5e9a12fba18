from __future__ import annotations

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import SiblingSet, state_shape
from leanebm.errors import EnergyError

from .planted import planted_energies, planted_groups


def test_groups_are_laid_out_with_their_energies() -> None:
    groups = planted_groups(theorems=4)
    energies = planted_energies(groups)
    siblings = SiblingSet.from_groups(groups, energies)
    assert len(siblings) == len(groups)
    for index, group in enumerate(groups):
        assert siblings.positive_energy[index] == energies[group.positive_text]
        own = siblings.negative_energy[index][siblings.mask[index]].tolist()
        assert own == [energies[negative.text] for negative in group.negatives]
        assert siblings.positive_shape[index, 0] == len(group.positive_text)


def test_an_unknown_policy_opinion_is_not_a_number() -> None:
    groups = [attrs.evolve(group, positive_log_prob=None) for group in planted_groups(theorems=2)]
    assert np.isnan(SiblingSet.from_groups(groups, planted_energies(groups)).positive_log_prob).all()


def test_a_state_without_energy_is_an_error() -> None:
    groups = planted_groups(theorems=2)
    energies = planted_energies(groups)
    del energies[groups[0].positive_text]
    with pytest.raises(EnergyError, match=r"1 of .* states have no finite energy"):
        SiblingSet.from_groups(groups, energies)


def test_groups_without_negatives_are_allowed() -> None:
    groups = [attrs.evolve(group, negatives=()) for group in planted_groups(theorems=2)]
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    assert siblings.mask.shape == (len(groups), 0)


def test_columns_must_agree() -> None:
    groups = planted_groups(theorems=2)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    with pytest.raises(ValueError, match="depth is"):
        attrs.evolve(siblings, depth=[1])


def test_negatives_can_be_left_out() -> None:
    groups = planted_groups(theorems=3)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    assert siblings.keeping(siblings.is_dead).mask.sum() == siblings.is_dead.sum()
    assert len(siblings.take(np.arange(2))) == 2


@pytest.mark.parametrize(
    ("text", "goals", "names"),
    [
        ("⊢ 1 = 1", 1, 0),
        ("a b : Nat\nh : a = b\n⊢ b = a", 1, 3),
        ("case inl\na : Nat\n⊢ p\n\ncase inr\na : Nat\nh : p →\n  q : r\n⊢ q", 2, 3),
        ("x : Nat := 3\n⊢ x = 3", 1, 1),
    ],
)
def test_goals_and_local_names_are_counted(text: str, goals: int, names: int) -> None:
    assert state_shape(text) == (len(text), goals, names)
