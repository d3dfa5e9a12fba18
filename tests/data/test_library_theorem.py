from __future__ import annotations

from collections import Counter

import pytest

from leanebm.core import Theorem
from leanebm.data import LibraryTheorem, Split, split_of


def test_a_library_theorem_is_proved_by_its_name() -> None:
    item = LibraryTheorem(name="Nat.add_comm", statement="∀ …", module="Init.Data.Nat.Basic", fingerprint="1")
    assert item.theorem == Theorem(name="Nat.add_comm", copy_from="Nat.add_comm")
    assert item.split is split_of(item.module)


@pytest.mark.parametrize(
    ("module", "split"),
    [
        ("Init.Core", Split.TRAIN),
        ("Init.Data.List.Lemmas", Split.TRAIN),
        ("Init.Data.Option.Lemmas", Split.VAL),
        ("Init.Data.Nat.Basic", Split.TEST),
        ("Init.Classical", Split.TEST),
    ],
)
def test_a_modules_split_never_changes(module: str, split: Split) -> None:
    assert split_of(module) is split


def test_about_a_tenth_of_the_modules_is_kept_for_validation_and_a_tenth_for_testing() -> None:
    shares = Counter(split_of(f"Some.Module{number}") for number in range(10_000))
    assert 7_800 < shares[Split.TRAIN] < 8_200
    assert 850 < shares[Split.VAL] < 1_150
    assert 850 < shares[Split.TEST] < 1_150
