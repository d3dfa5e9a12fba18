from __future__ import annotations

import pytest

from leanebm.core.state_counts import NUM_STATE_COUNTS, state_counts


@pytest.mark.parametrize(
    ("text", "after_the_shape"),
    [
        ("⊢ 1 = 1", (0, 6, 1, 0, 0)),
        ("a b : Nat\nh : a = b ∧ b < 3\n⊢ (b + (a * 2)) = a", (2, 18, 3, 3, 2)),
        ("case inl\np : Prop\n⊢ p\n\ncase inr\nq : Prop\nh : ¬q\n⊢ (q ∨ p)", (3, 2, 0, 0, 0)),
        ("h : p →\n  q\n⊢ p →\n  [q]", (1, 10, 1, 1, 1)),
        ("", (0, 0, 0, 0, 0)),
        ("))⊢ ((", (0, 6, 0, 0, 0)),
    ],
)
def test_lines_target_symbols_and_nesting_are_counted(text: str, after_the_shape: tuple[int, ...]) -> None:
    counts = state_counts(text)
    assert counts[3:] == after_the_shape
    assert len(counts) == NUM_STATE_COUNTS
