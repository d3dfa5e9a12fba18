from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, NegativeState
from leanebm.energy.training import hold_apart, split_groups, state_texts
from leanebm.errors import EnergyError

MakeGroup = Callable[..., ContrastiveGroup]

STATES = st.sampled_from("abcdefghij")


@st.composite
def some_groups(draw: st.DrawFn) -> list[ContrastiveGroup]:
    """Groups of a few modules that share states freely."""
    triples = draw(st.lists(st.tuples(st.integers(0, 5), STATES, STATES, st.lists(STATES, max_size=4)), min_size=1))
    return [
        ContrastiveGroup(
            theorem=f"t{module}.{parent}",
            module=f"m{module}",
            parent_text=parent,
            parent_key=parent,
            positive_text=positive,
            positive_key=positive,
            positive_tactic="",
            negatives=tuple(NegativeState(text=n, key=n, tactic="", log_prob=0.0) for n in negatives),
            depth=0,
            remaining_depth=1,
            source="search",
        )
        for module, parent, positive, negatives in triples
    ]


@given(groups=some_groups(), seed=st.integers(0, 3))
def test_sides_share_no_family_no_theorem_and_no_state(groups: list[ContrastiveGroup], seed: int) -> None:
    try:
        split = split_groups(groups, validation_fraction=0.3, seed=seed)
    except EnergyError:
        return

    for shared in (
        {group.family for group in split.training} & {group.family for group in split.validation},
        {group.theorem for group in split.training} & {group.theorem for group in split.validation},
        set(state_texts(split.training)) & set(state_texts(split.validation)),
    ):
        assert not shared
    assert split.training
    assert split.validation


@given(groups=some_groups())
def test_the_summary_accounts_for_every_group(groups: list[ContrastiveGroup]) -> None:
    try:
        summary = split_groups(groups).summary
    except EnergyError:
        return

    kept = summary.training.groups + summary.validation.groups
    assert kept + summary.leaked_groups + summary.merged_groups == len(groups)


def test_a_training_negative_that_validation_knows_goes_but_its_group_stays(make_group: MakeGroup) -> None:
    groups = [
        make_group(f"{name}0", f"{name}1", ["everywhere", f"{name}2"], theorem=name) for name in ("left", "right")
    ]

    split = split_groups(groups)

    (group,) = split.training
    assert [negative.key for negative in group.negatives] == [f"{group.theorem}2"]
    assert split.summary.leaked_negatives == 1
    assert [len(group.negatives) for group in split.validation] == [2]


def test_a_family_keeps_its_side_when_others_come(make_group: MakeGroup) -> None:
    names = [f"module{index}" for index in range(60)]
    groups = {name: make_group(name, f"{name}.1", theorem=name, module=name) for name in names}

    few = split_groups(list(groups.values())[:40], validation_fraction=0.3)
    many = split_groups(groups.values(), validation_fraction=0.3)

    held_out = [{group.family for group in split.validation} for split in (few, many)]
    assert held_out[0] == held_out[1] & set(names[:40])
    assert 8 <= len(held_out[1]) <= 28  # 18 ± 2.8 standard deviations


def test_another_seed_is_another_division(make_group: MakeGroup) -> None:
    groups = [make_group(f"{i}", f"{i}.1", theorem=f"t{i}") for i in range(40)]

    divisions = {frozenset(group.theorem for group in split_groups(groups, seed=seed).validation) for seed in range(3)}

    assert len(divisions) == 3


def test_two_families_are_enough(make_group: MakeGroup) -> None:
    split = split_groups([make_group("a", "b", theorem="x"), make_group("c", "d", theorem="y")])

    assert (len(split.training), len(split.validation)) == (1, 1)


def test_a_single_family_is_refused_by_name(make_group: MakeGroup) -> None:
    groups = [make_group("a", "b", theorem="x", module="Init.Nat"), make_group("c", "d", module="Init.Nat")]

    with pytest.raises(EnergyError, match=r"only one family \('Init.Nat'\)"):
        split_groups(groups)


def test_no_groups_are_refused() -> None:
    with pytest.raises(EnergyError, match="there is no group"):
        split_groups([])


def test_training_that_leaks_entirely_is_refused(make_group: MakeGroup) -> None:
    with pytest.raises(EnergyError, match="each of the 1 training groups shares its theorem or a state"):
        split_groups([make_group("a", "b", theorem="x"), make_group("a", "b", theorem="y")])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -1.0])
def test_a_fraction_that_leaves_a_side_empty_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match="strictly between"):
        split_groups([], validation_fraction=fraction)


def test_sides_given_by_the_caller_are_held_apart_by_theorem_and_state(make_group: MakeGroup) -> None:
    validation = [make_group("v0", "v1", ["shared"], theorem="held out")]
    training = [
        make_group("t0", "t1", ["shared", "t2"], theorem="kept"),
        make_group("h0", "h1", theorem="held out"),
        make_group("v1", "t3", theorem="begins where another was"),
    ]

    split = hold_apart(training, validation)

    assert split.validation == tuple(validation)
    assert [group.theorem for group in split.training] == ["kept"]
    assert [negative.key for negative in split.training[0].negatives] == ["t2"]
    assert (split.summary.leaked_groups, split.summary.leaked_negatives) == (2, 1)


def test_states_that_are_printed_alike_are_held_apart_whatever_their_keys(make_group: MakeGroup) -> None:
    """A head sees their text alone: what differs in a universe or an instance is one state to it."""
    validation = [make_group("v0", "v1", ["v2"], theorem="held out")]

    def other_key(group: ContrastiveGroup) -> ContrastiveGroup:
        negatives = tuple(attrs.evolve(one, key=f"{one.key}'") for one in group.negatives)
        return attrs.evolve(
            group, parent_key=f"{group.parent_key}'", positive_key=f"{group.positive_key}'", negatives=negatives
        )

    training = [
        other_key(make_group("t0", "t1", ["v0", "t2"], theorem="kept")),
        other_key(make_group("v1", "t3", theorem="begins where another was")),
        other_key(make_group("t4", "v2", theorem="ends there")),
    ]
    split = hold_apart(training, validation)
    assert [group.theorem for group in split.training] == ["kept"]
    assert [negative.text for negative in split.training[0].negatives] == ["t2"]
    assert (split.summary.leaked_groups, split.summary.leaked_negatives) == (2, 1)


def test_validation_without_groups_is_refused(make_group: MakeGroup) -> None:
    with pytest.raises(EnergyError, match="no validation groups"):
        hold_apart([make_group()], [])
