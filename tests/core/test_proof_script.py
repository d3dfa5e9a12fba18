from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ProofStep
from leanebm.core.proof_script import indented, on_goal, tactic_blocks


def test_a_list_of_tactics_is_its_own_text() -> None:
    assert tactic_blocks(["intro h", "exact h"]) == ("intro h", "exact h")


def test_goals_that_are_proved_apart_get_a_bullet_each() -> None:
    step = ProofStep("constructor", children=(["rfl"], ["intro h", "exact h"]))
    assert step.text == "constructor\n· rfl\n· intro h\n  exact h"


def test_bullets_stand_inside_bullets() -> None:
    inner = ProofStep("constructor", children=(["a"], [ProofStep("b", children=(["c"],)), "d"]))
    outer = ProofStep("constructor", children=([inner], ["e"]))
    assert outer.text == "\n".join(
        ["constructor", "· constructor", "  · a", "  · b", "    · c", "    d", "· e"]
    )  # fmt: skip


def test_a_chosen_goal_is_turned_to_the_front() -> None:
    assert ProofStep("rfl", goal=2).text == "rotate_left 2\nrfl"
    assert on_goal(0, "  as it is") == "  as it is"
    assert on_goal(1, "\n  cases h with\n    | inl => x\n") == "rotate_left 1\ncases h with\n  | inl => x"


def test_each_tactic_keeps_its_own_layout_wherever_it_stood() -> None:
    several = "\n    cases h with\n    | inl h =>\n      exact h\n    | inr h => exact h\n  "
    step = ProofStep("  constructor", children=([several, "      rfl"],))
    assert step.text == (
        "constructor\n· cases h with\n  | inl h =>\n    exact h\n  | inr h => exact h\n  rfl"
    )  # fmt: skip


def test_only_lean_s_own_lines_are_moved() -> None:
    assert indented('exact "a\u2028b"\n\nc', "  ") == '  exact "a\u2028b"\n\n  c'


@pytest.mark.parametrize("wrong", [{"goal": -1}, {"children": ([],)}, {"children": (["a"], ())}])
def test_a_step_that_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"goal|child"):
        ProofStep("a", **wrong)  # type: ignore[arg-type]


_lines = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=8), min_size=1, max_size=4)


@given(tactic=_lines, child=_lines)
def test_a_bullet_moves_every_line_of_its_proof_by_as_much(tactic: list[str], child: list[str]) -> None:
    """So that no text, whatever it holds, can end up at the margin, where it would leave its bullet."""
    block = "\n".join(child)
    text = ProofStep("\n".join(tactic), children=([block],)).text
    bullet = text[len(indented("\n".join(tactic), "")) + 1 :]
    assert bullet.startswith("· ")
    assert all(line.startswith("  ") or not line.strip() for line in bullet.split("\n")[1:])
    assert indented("  " + bullet.removeprefix("· "), "") == indented(block, "")
