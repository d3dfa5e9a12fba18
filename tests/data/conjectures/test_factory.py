from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from leanebm.data.conjectures import (
    FAMILIES,
    HELD_OUT,
    Conjecture,
    ConjectureFactory,
    ConjectureSplit,
    Expression,
    local,
)
from leanebm.errors import ConfigError

SCRIPT = """
import hashlib
from leanebm.data.conjectures import ConjectureFactory
factory = ConjectureFactory(seed=3)
text = "\\n".join(m.statement + m.skeleton + m.split for name in factory.names for m in factory.draw(name, 2))
print(hashlib.sha256(text.encode()).hexdigest())
"""

DIGEST = "b7af3d0c67a96e420fa7b154df13024e6c7e24e8d25e103064b307b84cfd48d2"
"""What the script prints; it changes with the families alone, and with it the sets that a seed gives."""


def test_a_seed_gives_the_same_statements_in_every_process() -> None:
    digests = set()
    for hash_seed in ("0", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True
        )
        digests.add(told.stdout.strip())
    assert digests == {DIGEST}


def test_another_seed_gives_others(drawn: tuple[Conjecture, ...]) -> None:
    for name in ("propositional", "first_order", "order"):
        others = {made.statement for made in ConjectureFactory(seed=12).draw(name, 6)}
        assert len(others & {made.statement for made in drawn}) < 3


def test_what_was_drawn_before_is_not_drawn_again() -> None:
    at_once = ConjectureFactory(seed=4).draw("order", 30)
    factory = ConjectureFactory(seed=4)
    assert factory.draw("order", 10) + factory.draw("order", 20) == at_once


def test_a_statement_comes_once_and_a_skeleton_in_one_split(drawn: tuple[Conjecture, ...]) -> None:
    assert len({made.statement for made in drawn}) == len(drawn) == 6 * len(FAMILIES)
    splits: dict[str, set[ConjectureSplit]] = {}
    for made in drawn:
        splits.setdefault(made.skeleton, set()).add(made.split)
    assert all(len(among) == 1 for among in splits.values())


def test_held_out_families_are_in_no_other_split(drawn: tuple[Conjecture, ...]) -> None:
    for made in drawn:
        assert (made.split is ConjectureSplit.UNSEEN) == (made.family in HELD_OUT)


class Identities:
    """A family of three statements."""

    name = "identities"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        same = Expression("=", (local("v"), local("v")))
        return Conjecture.of(self.name, {"v": rng.choice(("Nat", "Bool", "Int"))}, same, difficulty=difficulty)


def test_a_family_of_ones_own_is_drawn_from_until_it_has_no_more() -> None:
    drawn = ConjectureFactory([Identities()]).draw("identities", 10)
    assert {made.statement for made in drawn} == {
        "∀ (n : Nat), n = n",
        "∀ (a : Bool), a = a",
        "∀ (a : Int), a = a",
    }


class Sums:
    """A family of many statements that differ in a numeral alone."""

    name = "sums"

    def generate(self, rng: random.Random, difficulty: int) -> Conjecture | None:
        sides = (Expression("+", (local("n"), Expression(str(rng.randrange(100))))), local("n"))
        return Conjecture.of(self.name, {"n": "Nat"}, Expression("≤", sides[::-1]), difficulty=difficulty)


def test_statements_with_one_skeleton_are_few() -> None:
    drawn = ConjectureFactory([Sums()]).draw("sums", 60)
    assert [made.skeleton for made in drawn] == ["_ ≤ _ + 0"] * 3
    (only,) = ConjectureFactory([Sums()], per_skeleton=1).draw("sums", 60)
    assert only == drawn[0]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"families": []}, "no family was given"),
        ({"difficulties": [5]}, r"difficulties are 1 to 4, got \[5\]"),
        ({"difficulties": []}, r"difficulties are 1 to 4, got \[\]"),
        ({"per_skeleton": 0}, "at least one statement must be allowed for each skeleton"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(wrong: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        ConjectureFactory(**wrong)  # type: ignore[arg-type]
