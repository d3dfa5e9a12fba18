from __future__ import annotations

from collections.abc import Callable

from leanebm.core import Theorem
from leanebm.pipeline import probe
from leanebm.testing import LOST, QED, ToyWorld

Numbers = Callable[..., tuple[Theorem, ...]]

WORLD = ToyWorld(
    moves={
        "1": {"rfl": QED, "simp": QED},
        "2": {"intros\nsimp": QED, "rfl": "1"},
        "3": {"rfl": "1"},
        "4": {"rfl": LOST},
    }
)


async def test_each_tactic_is_tried_by_itself_and_after_intros(numbers: Numbers) -> None:
    results = await probe(numbers(1, 2, 3), WORLD, tactics=("rfl", "simp"), concurrency=2)
    assert [result.closed_by for result in results] == [("rfl", "simp"), ("simp",), ()]
    assert [result.needs_search for result in results] == [False, False, True]


async def test_what_breaks_is_told_and_the_others_go_on(numbers: Numbers) -> None:
    theorems = (*numbers(4), Theorem(name="bad", statement="nowhere"), *numbers(1))
    lost, refused, good = await probe(theorems, WORLD, tactics=("rfl",), concurrency=1)
    assert "killed the worker" in lost.error
    assert "no state" in refused.error
    assert not lost.needs_search
    assert not refused.needs_search
    assert good.closed_by == ("rfl",)


async def test_no_theorem_is_no_trouble() -> None:
    assert await probe((), WORLD) == ()
