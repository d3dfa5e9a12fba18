from __future__ import annotations

import pytest

from leanebm.energy.diagnostics import StateShape


@pytest.mark.parametrize(
    ("text", "goals", "hypotheses"),
    [
        ("⊢ 1 = 1", 1, 0),
        ("a b : Nat\nh : a = b\n⊢ b = a", 1, 3),
        ("case inl\na : Nat\n⊢ p\n\ncase inr\na : Nat\nh : p →\n  q : r\n⊢ q", 2, 3),
        ("x : Nat := 3\n⊢ x = 3", 1, 1),
    ],
)
def test_goals_and_local_names_are_counted(text: str, goals: int, hypotheses: int) -> None:
    assert StateShape.of(text) == StateShape(characters=len(text), goals=goals, hypotheses=hypotheses)
