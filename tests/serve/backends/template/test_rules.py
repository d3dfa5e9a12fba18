"""What the rules propose where; whether Lean accepts it is in ``test_against_lean.py``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm._printed.goal import parse_goal
from leanebm.data import library_theorems
from leanebm.serve.backends.template._rules import RULES, Rule, propose_all
from leanebm.serve.backends.template.backend import ranked_tactics


def tactics(state: str) -> list[str]:
    """All proposals, the likeliest first."""
    return [tactic.text for tactic in ranked_tactics(propose_all(RULES, parse_goal(state)), 1.0)]


@pytest.mark.parametrize(
    ("state", "tactic"),
    [
        ("⊢ ∀ (n : Nat) (xs : List Nat), xs.length = n → n = xs.length", "intro n xs h"),
        ("n : Nat\n⊢ ∀ (n : Nat), n = n", "intro n1"),
        ("p : Prop\n⊢ ¬p", "intro h"),
        ("p q : Prop\n⊢ p ∧ q → q", "rintro ⟨h, h1⟩"),
        ("p q : Prop\n⊢ p ∧ q", "constructor"),
        ("p q : Prop\n⊢ p ∨ q", "left"),
        ("p q : Prop\nh : q\n⊢ p ∨ q", "exact Or.inr h"),
        ("p q : Prop\nh : p\nh1 : q\n⊢ p ∧ q", "exact ⟨h, h1⟩"),
        ("p : Prop\nh : p\n⊢ p", "exact h"),
        ("a b : Nat\nh : a = b\n⊢ b = a", "exact h.symm"),
        ("p q : Prop\nh : p → q\nhp : p\n⊢ q", "exact h hp"),
        ("p q r : Prop\nh : p → q\nhp : p\n⊢ r", "have h1 := h hp"),
        ("p q r : Prop\nh : p → q → r\n⊢ r", "apply h"),
        ("p : Prop\nh : p\nh1 : ¬p\n⊢ False", "exact absurd h h1"),
        ("p q r : Prop\nh : p ∨ q\n⊢ r", "cases h with | inl h => ?_ | inr h => ?_"),
        ("p q r : Prop\nh : p ∧ q ∧ r\n⊢ r", "obtain ⟨h, h1, h2⟩ := h"),
        ("P : Nat → Prop\nh : ∃ x, P x ∧ P 0\n⊢ P 0", "obtain ⟨x, h, h1⟩ := h"),
        ("f : Nat → Nat\nn : Nat\nh : ∀ (x : Nat), f x = x\n⊢ f n = n", "rw [h]"),
        ("f : Nat → Nat\nn : Nat\nh : ∀ (x : Nat), f x = x\n⊢ f (f n) = n", "have h1 := h n"),
        ("a b : Nat\nh : a = b\n⊢ a + 1 = b + 1", "subst h"),
        ("n : Nat\n⊢ 0 + n = n", "induction n with | zero => ?_ | succ n ih => ?_"),
        ("xs ys : List Nat\n⊢ (xs ++ ys).sum = xs.sum + ys.sum", "induction xs with | nil => ?_ | cons x xs ih => ?_"),
        (
            "xs : List Nat\na : Nat\n⊢ xs.foldl f a = g a xs",
            "induction xs generalizing a with | nil => ?_ | cons x xs ih => ?_",
        ),
        ("b : Bool\n⊢ (!!b) = b", "cases b with | false => ?_ | true => ?_"),
        ("α : Type\no : Option α\n⊢ o = o", "cases o with | none => ?_ | some x => ?_"),
        ("n : Nat\n⊢ (if n = 0 then 0 else n) = n", "split"),
        ("n : Nat\n⊢ (if n = 0 then 0 else n) = n", "by_cases hc : n = 0"),
        ("a b : Nat\nh : a ≤ b\n⊢ ∃ c, b = a + c", "refine ⟨(b - a), ?_⟩"),
        ("n : Nat\n⊢ ∃ m, n < m", "refine ⟨(n + 1), ?_⟩"),
        ("f g : Nat → Nat\n⊢ f = g", "funext x"),
        ("⊢ 2 + 2 = 4", "decide"),
        ("a b : Nat\nh : a < b\n⊢ a ≤ b", "omega"),
        ("p : Prop\nh : False\n⊢ p", "exact h.elim"),
        ("f : Bool → Bool\nb : Bool\n⊢ f (f (f b)) = f b", "cases hb : f (f b) <;> simp_all"),
        ("α : Type\nx : α\nxs : List α\n⊢ ∃ ys a, x :: xs = ys ++ [a]", "refine ⟨(x :: xs), ?_⟩"),
        (
            "f : Nat → Nat\nh : ∀ (y : Nat), ∃ x, f x = y\n⊢ ∃ g, f (g 0) = 0",
            "obtain ⟨g, hg⟩ := Classical.axiomOfChoice h",
        ),
        ("n : Nat\n⊢ (List.range (n + 1)).sum = g n", "simp [List.range_succ]"),
    ],
)
def test_the_natural_step_is_among_the_first(state: str, tactic: str) -> None:
    assert tactic in tactics(state)[:16]


@pytest.mark.parametrize(
    ("state", "tactic"),
    [
        ("f : Nat → Nat\nh : f 1 = 1\n⊢ f 2 = 1", "rw [← h]"),  # would rewrite every 1
        ("P : Nat → Prop\nh : ∀ (x y : Nat), P x = P y\n⊢ P 0", "rw [h]"),  # would leave y open
        ("f : Nat → Nat\nn : Nat\nh : ∀ (x : Nat), f x = x\nh1 : f n = n\n⊢ False", "have h2 := h n"),  # is known
        ("h✝ : False\n⊢ False", "exact h✝.elim"),  # cannot be named
    ],
)
def test_useless_steps_are_left_out(state: str, tactic: str) -> None:
    assert tactic not in tactics(state)


@pytest.mark.parametrize("connective", ["∧", "∨", "→"])
def test_long_chains_of_connectives_are_taken_apart_as_far_as_is_sensible(connective: str) -> None:
    chain = f" {connective} ".join(["p"] * 250)
    said = tactics("p q : Prop\n" + "".join(f"h{i} : {chain}\n" for i in range(64)) + "⊢ q")
    assert "simp_all" in said
    patterns = [tactic for tactic in said if tactic.startswith(("obtain", "rcases"))]
    assert all(tactic.count("⟨") + tactic.count("(") <= 64 for tactic in patterns)
    assert bool(patterns) == (connective != "→")


@pytest.mark.parametrize(("names", "is_taken_apart"), [(64, True), (65, False)])
def test_an_existential_of_very_many_names_is_left_whole(names: int, *, is_taken_apart: bool) -> None:
    said = tactics(f"p : Prop\nh : ∃ {'x ' * names}: Nat, p\n⊢ p")
    assert any(tactic.startswith("obtain ⟨x, x1,") for tactic in said) == is_taken_apart
    assert "obtain h := h" not in said


def test_there_is_always_something_to_try() -> None:
    assert tactics("⊢ { x // x } ?!")
    assert tactics("r : Std.Rcc Nat\n⊢ r.toList = r.lower :: (r.lower<...=r.upper).toList")


def test_a_tactic_belongs_to_the_first_rule_that_names_it() -> None:
    rules = [Rule("one", lambda _: [("simp", 1.0)]), Rule("none", lambda _: []), Rule("two", lambda _: [("simp", 9.0)])]
    (only,) = propose_all(rules, parse_goal("⊢ True"))
    assert (only.rule_id, only.weights) == (0, (1.0,))


def test_rules_have_names_of_their_own_and_never_weigh_nothing() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    state = "n : Nat\nxs : List Nat\nh : n ∈ xs\nh1 : ∀ x ∈ xs, x = 0\n⊢ ∃ m, m = n ∧ xs.sum = 0"
    assert all(weight > 0 for proposal in propose_all(RULES, parse_goal(state)) for weight in proposal.weights)


STATEMENTS = [item.statement for item in library_theorems("val")][::7]


def test_every_library_statement_gets_a_proposal() -> None:
    assert all(tactics(f"⊢ {statement}") for statement in STATEMENTS)


@given(st.sampled_from(STATEMENTS), st.data())
def test_whatever_is_cut_out_of_a_statement_the_rules_still_speak(statement: str, data: st.DataObject) -> None:
    words = statement.split()
    cut = data.draw(st.slices(len(words)))
    hypothesis = data.draw(st.permutations(words[cut]))
    assert tactics(f"a b : Nat\nh : {' '.join(hypothesis) or 'True'}\n⊢ {' '.join(words[cut])}")


def test_a_goal_too_deep_to_read_is_not_too_deep_to_answer() -> None:
    assert tactics("⊢ " + "(" * 5000 + "1 = 1" + ")" * 5000)
    assert tactics("⊢ " + " + ".join(["x"] * 5000) + " = 0")
