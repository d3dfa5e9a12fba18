from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import ContrastiveGroup, EncoderIdentity
from leanebm.energy import EnergyHeadConfig
from leanebm.energy.training import ContrastiveData
from leanebm.energy.training.checks import check_trainable
from leanebm.errors import EnergyError

MakeGroup = Callable[..., ContrastiveGroup]
Embed = Callable[..., dict[str, Any]]
Sides = tuple[ContrastiveData, ContrastiveData]

HEAD = EnergyHeadConfig(d_in=16, hidden=(8,))


def test_planted_data_can_be_trained_on(planted: Sides, encoder: EncoderIdentity) -> None:
    check_trainable(HEAD, *planted, encoder)


def test_an_encoder_may_leave_its_width_unsaid(planted: Sides, encoder: EncoderIdentity) -> None:
    check_trainable(HEAD, *planted, attrs.evolve(encoder, dim=None))


def test_another_width_is_refused_with_both(planted: Sides, encoder: EncoderIdentity) -> None:
    with pytest.raises(EnergyError) as caught:
        check_trainable(EnergyHeadConfig(d_in=4096), *planted, encoder)

    for side in ("training", "validation", "the encoder's"):
        assert f"{side} embeddings have width 16, the head takes 4096" in str(caught.value)


def test_sides_without_negatives_are_refused_together(
    make_group: MakeGroup, embed: Embed, encoder: EncoderIdentity
) -> None:
    groups = [make_group("a", "b", theorem="x")], [make_group("c", "d", theorem="y")]
    sides = [ContrastiveData.from_groups(side, embed(side, 16)) for side in groups]

    with pytest.raises(EnergyError) as caught:
        check_trainable(HEAD, sides[0], sides[1], encoder)

    assert "no training group has a negative" in str(caught.value)
    assert "no validation group has a sibling" in str(caught.value)


def test_sides_that_share_theorems_and_states_are_refused(planted: Sides, encoder: EncoderIdentity) -> None:
    with pytest.raises(EnergyError) as caught:
        check_trainable(HEAD, planted[0], planted[0], encoder)

    count = len(planted[0].theorems)
    assert f"{count} theorems are in training and in validation, such as planted_" in str(caught.value)
    assert f"{len(planted[0].texts)} states are in training and in validation" in str(caught.value)
