from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from leanebm.data.conjectures import FAMILIES


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_a_path_is_stated_with_the_law_it_needs(seed: int, difficulty: int) -> None:
    made = FAMILIES["order"].generate(random.Random(seed), difficulty)  # noqa: S311
    if made is None:
        return
    *_, conclusion = made.statement.split(" → ")
    assert conclusion.startswith("R ")
    assert "(R : α → α → Prop)" in made.statement
    for function in "fg":  # one that occurs is one that keeps the order
        if f"{function} " in made.statement.split(",", 1)[1]:
            assert f"R ({function} " in made.statement
