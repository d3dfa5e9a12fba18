"""The encoder for equations in ``benchmarks``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from law_encoder import LawEncoder, Nearness

from leanebm.core import Goal, ProofState, StateRef
from leanebm.core.state_counts import NUM_STATE_COUNTS
from leanebm.testing import check_encoder, check_energy_model

SWAP = "h : ∀ (w : α), f (g w) = g (f w)"
MOVE = "h1 : ∀ (w u : α), m (f w) u = f (m w u)"


def state(target: str, *hypotheses: str) -> str:
    return "\n".join(["α : Type", "f g : α → α", "m : α → α → α", "x y : α", *hypotheses, f"⊢ {target}"])


async def ahead(text: str) -> dict[str, Sequence[int]]:
    """What the vector says beside the sizes."""
    [vector] = await LawEncoder().encode([text])
    now, least, lower, (uses,), gained = (
        [round(math.expm1(number)) for number in vector[NUM_STATE_COUNTS:][start:stop]]
        for start, stop in ((0, 3), (3, 6), (6, 9), (9, 10), (10, 13))
    )
    return {"now": now, "least": least, "lower": lower, "uses": [uses], "gained": gained}


async def test_both_keep_their_contracts() -> None:
    await check_encoder(LawEncoder())
    await check_energy_model(Nearness())


async def test_one_use_that_makes_the_sides_equal_is_seen() -> None:
    found = await ahead(state("m (f (g x)) y = m (g (f x)) y", SWAP, MOVE))
    # The trees part at one place, with three nodes on each side below it. Either side may swap f and g, which ends it;
    # the left one may bring f out of m as well, which does not help.
    assert found == {"now": [1, 6, 0], "least": [0, 0, 0], "lower": [2, 2, 0], "uses": [3], "gained": [1, 6, 0]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Names, binders one by one or together, long lines, and laws that are still in front of the goal: all the same.
        (state("f (g x) = g (f y)", SWAP), state("f (g y) = g (f x)", SWAP)),
        (state("m (f x) y = f y", MOVE), state("m (f x) y = f y", "law : ∀ (a : α) (b : α), m (f a) b = f (m a b)")),
        (state("f (g x) = g (f y)", SWAP), state("(∀ (w : α), f (g w) = g (f w)) →\n    f (g x) = g (f y)")),
        (state("f (g x) = g (f y)", SWAP), state("∀ (z : α),\n  (∀ (w : α), f (g w) = g (f w)) → f (g x) = g (f y)")),
    ],
)
async def test_the_same_problem_in_other_words_has_the_same_numbers(before: str, after: str) -> None:
    assert await ahead(before) == await ahead(after)
    assert (await ahead(before))["uses"] != [0]


@pytest.mark.parametrize(
    "text", ["", "no goal", "⊢ p ∧ q", "⊢ x = (", "⊢ x + y = y + x", "⊢ ) = (", f"⊢ {'f (' * 900}x{')' * 900} = x"]
)
async def test_of_what_it_cannot_read_there_are_the_sizes_alone(text: str) -> None:
    assert set(map(tuple, (await ahead(text)).values())) == {(0, 0, 0), (0,)}


async def test_a_law_that_would_make_up_terms_is_not_used() -> None:
    found = await ahead(state("f x = f y", "h : ∀ (w u : α), f w = m w u"))
    assert found["uses"] == [0]


async def test_without_learning_the_nearer_problem_has_the_lower_energy() -> None:
    texts = [state("m (f (g x)) y = m (g (f x)) y", SWAP, MOVE), state("f x = g (f (m x y))", SWAP, MOVE)]
    states = [
        ProofState(goals=(Goal(text=text, target=text.partition("⊢ ")[2]),), key=text, ref=StateRef(0, 0))
        for text in texts
    ]
    near, far = await Nearness().energies(states)
    assert near == 0.0 < far
    as_they_stand = await Nearness(uses=0).energies(states)
    assert near < as_they_stand[0] < as_they_stand[1]
