"""The conjectures that come with the package."""

from __future__ import annotations

from collections import Counter

import pytest

from leanebm.data.conjectures import (
    FAMILIES,
    HELD_OUT,
    SHIPPED_CONJECTURES,
    SHIPPED_LOGIC,
    Conjecture,
    ConjectureFactory,
    ConjectureSplit,
    conjectures_of,
    read_conjecture_file,
    split_of_skeleton,
)
from leanebm.errors import ConfigError
from leanebm.lean import LeanPool

MIB = 1 << 20


@pytest.fixture(scope="module")
def shipped() -> tuple[Conjecture, ...]:
    return read_conjecture_file(SHIPPED_CONJECTURES).conjectures


def test_they_are_small_enough_to_ship() -> None:
    assert SHIPPED_CONJECTURES.stat().st_size < 2 * MIB


def test_skeletons_are_not_torn_between_splits(shipped: tuple[Conjecture, ...]) -> None:
    for conjecture in shipped:
        expected = split_of_skeleton(conjecture.skeleton)
        if conjecture.family in HELD_OUT:
            expected = ConjectureSplit.UNSEEN
        assert conjecture.split is expected


def test_every_family_is_there_and_none_has_more_than_twice_its_share(shipped: tuple[Conjecture, ...]) -> None:
    counts = Counter(conjecture.family for conjecture in shipped)
    assert set(counts) == set(FAMILIES) - {"rewriting", "rearranging", "word_problem"}  # which came later
    for families in (set(counts) - set(HELD_OUT), set(HELD_OUT)):
        among = [counts[family] for family in families]
        assert max(among) <= 2 * sum(among) / len(among) + 1


def test_splits_add_up(shipped: tuple[Conjecture, ...]) -> None:
    assert sum(len(conjectures_of(split)) for split in ConjectureSplit) == len(shipped)
    assert all(len(conjectures_of(split)) >= 20 for split in ConjectureSplit)
    with pytest.raises(ConfigError, match="choose train, val, test, unseen"):
        conjectures_of("best")


def test_the_factory_still_makes_them(shipped: tuple[Conjecture, ...]) -> None:
    """As the file's provenance says; a change of a family makes the shipped set one of the past."""
    factory = ConjectureFactory(seed=int(read_conjecture_file(SHIPPED_CONJECTURES).provenance["seed"]))
    statements = {conjecture.statement for conjecture in shipped}
    for family in ("first_order", "list_recursion", "divisibility"):
        drawn = factory.draw(family, 40)
        assert sum(conjecture.statement in statements for conjecture in drawn) >= 4


@pytest.fixture(scope="module")
def logic() -> tuple[Conjecture, ...]:
    return read_conjecture_file(SHIPPED_LOGIC).conjectures


def test_formulas_have_one_skeleton_each_and_existence_is_unseen(logic: tuple[Conjecture, ...]) -> None:
    assert SHIPPED_LOGIC.stat().st_size < MIB // 8
    assert len({conjecture.skeleton for conjecture in logic}) == len(logic)
    for conjecture in logic:
        is_unseen = conjecture.family == "existence"
        assert conjecture.split is (ConjectureSplit.UNSEEN if is_unseen else split_of_skeleton(conjecture.skeleton))
    counts = Counter(conjecture.split for conjecture in logic)
    assert counts[ConjectureSplit.TRAIN] > 1500
    assert counts[ConjectureSplit.TEST] > 300
    assert min(counts.values()) > 150


def test_the_factory_still_makes_the_formulas(logic: tuple[Conjecture, ...]) -> None:
    told = read_conjecture_file(SHIPPED_LOGIC).provenance
    factory = ConjectureFactory(
        [FAMILIES[name] for name in told["families"].split(",")],
        seed=int(told["seed"]),
        held_out=told["held_out"].split(","),
        difficulties=[int(told["difficulties"])],
        per_skeleton=int(told["per_skeleton"]),
    )
    for family in ("propositional", "first_order"):
        assert set(factory.draw(family, 50)) <= set(logic)


@pytest.mark.lean
async def test_lean_can_state_them(
    shipped: tuple[Conjecture, ...], logic: tuple[Conjecture, ...], lean_pool: LeanPool
) -> None:
    for conjecture in (*shipped[:: len(shipped) // 25], *logic[:: len(logic) // 10]):
        async with lean_pool.open(conjecture.theorem) as proof:
            assert not proof.root.is_solved
