from __future__ import annotations

import pytest

from leanebm._printed.digest import digest

FORMULA = """case h.left
α : Type
P : α → Prop
x y : α
h : ∀ (z : α),
  P z → P x
h1 : ∀ (z : α), ∃ w, P w
h2 : P y
h✝ : P x
⊢ P x"""


@pytest.mark.parametrize(
    ("goal", "said"),
    [
        ("p q r : Prop\nh : p → q → r\nh1 : p\nh2 : q ∧ r\n⊢ r ∨ p", "h → h1 _ _\nh1\nh2 ∧ _ _\n⊢ ∨ _ h1"),
        ("p q : Prop\nh h1 : q\n⊢ q ∧ p", "h\nh1\n⊢ ∧ h1 _"),
        ("p q : Prop\nh : q ↔ p\nh1 : ¬q\n⊢ q", "h ↔ ⊢ _\nh1 ¬ ⊢\n⊢"),
        ("p q : Prop\nh : p ∧ q\n⊢ p ∧ q", "h ∧ ⊢\n⊢ ∧ _ _"),
        ("p q : Prop\nh : p → q → p\nh1 : q\n⊢ p", "h → _ h1 ⊢\nh1\n⊢"),
        ("p q r : Prop\nh : q\n⊢ p → q → r", "h\n⊢ → _ h"),
        (FORMULA, "x\ny\nh ∀ → ⊢\nh1 ∀ ∃\nh2\n⊢"),
        ("⊢ ∀ (p q : Prop), p → q → p", "⊢ ∀ →"),
        ("⊢ ∀ (p : Prop), ∀ (q : Prop), p ∨ ¬p", "⊢ ∀ ∀"),
        ("n : Nat\nh : n + 0 = n\n⊢ n = n + 0", "n\nh =\n⊢ ="),
        ("⊢ +++ (", "⊢"),
    ],
)
def test_a_goal_in_a_few_words(goal: str, said: str) -> None:
    assert digest(goal) == said


def test_what_is_no_goal_has_no_digest() -> None:
    with pytest.raises(ValueError, match="no goal"):
        digest("p : Prop")
