from __future__ import annotations

import pytest

from leanebm.core import Goal, Hypothesis, ProofState, StateRef
from leanebm.policy import PROMPT_FORMATS, PrefixFormat, PromptFormat, StateCommentFormat

FIRST = Goal(
    text="case inl\nn : Nat\nh : n =\n    0\n⊢ n + 0 = n",
    target="n + 0 = n",
    hypotheses=(Hypothesis("n", "Nat"), Hypothesis("h", "n =\n    0")),
    case_name="inl",
)
STATE = ProofState((FIRST, Goal(text="⊢ True", target="True")), "k", StateRef(0, 0))


def test_the_state_comment_shows_every_goal_and_leaves_the_fence_open() -> None:
    assert StateCommentFormat().render(STATE) == (
        "Give the next tactic for the following Lean 4 proof state.\n\n"
        "```lean4\n"
        "/- tactic state:\ncase inl\nn : Nat\nh : n =\n    0\n⊢ n + 0 = n\n\n⊢ True\n-/\n"
        "```\n\n"
        "```lean4\n"
    )


def test_the_prefix_is_a_proof_to_be_continued() -> None:
    assert PrefixFormat().render(STATE) == (
        "Complete the following Lean 4 code:\n\n"
        "```lean4\n"
        "example (n : Nat) (h : n = 0) :\n    n + 0 = n := by\n"
        "  /- tactic state:\n  case inl\n  n : Nat\n  h : n =\n      0\n  ⊢ n + 0 = n\n\n  ⊢ True\n  -/\n"
        "  "
    )


@pytest.mark.parametrize("prompt_format", PROMPT_FORMATS.values(), ids=list(PROMPT_FORMATS))
def test_a_single_line_break_is_no_stop_and_answers_are_read_back(prompt_format: PromptFormat) -> None:
    assert "\n" not in prompt_format.stop
    block = prompt_format.parse("simp\n```")
    assert block is not None
    assert block.tactic == "simp"
