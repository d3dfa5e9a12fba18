from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.policy.tactic_block import TacticBlock, first_tactic_block, proof_block


@pytest.mark.parametrize(
    ("completion", "tactic"),
    [
        ("simp", "simp"),
        ("simp [foo]\n```", "simp [foo]"),
        ("```lean4\nintro n\n```\nand so on", "intro n"),
        ("intro n\nsimp", "intro n"),
        ("  intro n\n  simp", "intro n"),
        ("\n\n  omega\n", "omega"),
        ("have h : a = b := by\n  simp\n  rfl\nexact h", "have h : a = b := by\n  simp\n  rfl"),
        ("cases n with\n| zero => rfl\n| succ n => simp\ndone", "cases n with\n| zero => rfl\n| succ n => simp"),
        ("constructor\n<;> simp\nrfl", "constructor\n<;> simp"),
        ("exact foo (by\nsimp)\nrfl", "exact foo (by\nsimp)"),
        ("refine ⟨_,\n?_⟩\nrfl", "refine ⟨_,\n?_⟩"),
        ("-- first simplify\nsimp", "simp"),
        ("/- a thought\nover lines -/\nsimp", "simp"),
        ("theorem foo : a = b := by\n  simp\n  rfl", "simp"),
        ("theorem foo :\n    a = b := by\n  simp", "simp"),
        ("by\n  simp", "simp"),
        ("simp```", "simp"),
        ("constructor\n· simp\n· rfl", "constructor"),
        ("calc a = b := h\n  _ = c := k\nrfl", "calc a = b := h\n  _ = c := k"),
    ],
)
def test_the_first_tactic_is_cut_out(completion: str, tactic: str) -> None:
    block = first_tactic_block(completion)
    assert block is not None
    assert block.tactic == tactic


@pytest.mark.parametrize(
    "completion", ["", "   \n\n", "```", "-- only a thought", "theorem foo : a := by", "/- no end"]
)
def test_there_may_be_none(completion: str) -> None:
    assert first_tactic_block(completion) is None


def test_the_prompt_may_have_indented_the_first_line_already() -> None:
    block = first_tactic_block("have h := by\n    simp\n  exact h", first_line_indent=2)
    assert block is not None
    assert block.tactic == "have h := by\n  simp"


@pytest.mark.parametrize(
    ("completion", "indent", "proof"),
    [
        ("intro n\nsimp", 0, "intro n\nsimp"),
        ("constructor\n· simp\n\n· rfl\n\n", 0, "constructor\n· simp\n\n· rfl"),
        ("intro n\n  cases n with\n  | zero => rfl\n  | succ n => simp\n  rfl", 2,
         "intro n\ncases n with\n| zero => rfl\n| succ n => simp\nrfl"),
        ("intro n\n  simp\n```\nThis proves it.", 2, "intro n\nsimp"),
        ("```lean4\ntheorem t : p := by\n  intro n\n  simp\n\ntheorem u : q := by\n  rfl\n```", 0, "intro n\nsimp"),
        ("rfl\nexample : q := by\n  simp", 0, "rfl"),
        ("exact f (by\nsimp)\nrfl", 0, "exact f (by\nsimp)\nrfl"),
        ("simp", 0, "simp"),
    ],
)  # fmt: skip
def test_a_proof_is_kept_to_its_end(completion: str, indent: int, proof: str) -> None:
    block = proof_block(completion, first_line_indent=indent)
    assert block is not None
    assert block.tactic == proof


@pytest.mark.parametrize("cut", [first_tactic_block, proof_block])
@given(st.text(alphabet="ab·|(){}⟨⟩ \n-/`", max_size=60))
def test_the_end_is_in_the_text_and_cutting_there_changes_nothing(
    cut: Callable[[str], TacticBlock | None], completion: str
) -> None:
    block = cut(completion)
    if block is None:
        return
    assert 0 < block.end <= len(completion)
    assert block.tactic.strip()
    assert not block.tactic.startswith((" ", "\n"))
    again = cut(completion[: block.end])
    assert again is not None
    assert again.tactic == block.tactic
