from __future__ import annotations

import pytest

from leanebm.core import Goal, Hypothesis, ProofState, StateRef
from leanebm.policy import (
    PROMPT_FORMATS,
    WHOLE_PROOF_FORMATS,
    PrefixFormat,
    PromptFormat,
    StateCommentFormat,
    TemplateFormat,
    prompt_format_of,
)

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


TEXT = "case inl\nn : Nat\nh : n =\n    0\n⊢ n + 0 = n\n\n⊢ True"


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        (
            "chat",
            (
                "Give the next tactic for the following Lean 4 proof state: one tactic, in a code block, "
                f"and no other words.\n\n```lean4\n/- tactic state:\n{TEXT}\n-/\n```\n"
            ),
        ),
        ("bfs_prover", f"{TEXT}:::"),
        ("llmstep", f"[GOAL]{TEXT}[PROOFSTEP]"),
        ("reprover", TEXT),
        (
            "ntp",
            (
                "/- You are proving a theorem in Lean 4.\nYou are given the following information:\n"
                "- The current proof state, inside [STATE]...[/STATE]\n\n"
                "Your task is to generate the next tactic in the proof.\n"
                "Put the next tactic inside [TAC]...[/TAC]\n-/\n"
                f"[STATE]\n{TEXT}\n[/STATE]\n[TAC]\n"
            ),
        ),
        (
            "internlm2_math",
            (
                f"<|im_start|>user\nMy LEAN 4 state is:\n```lean\n{TEXT}```\n"
                "Please predict a possible tactic to help me prove the theorem.<|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
        (
            "internlm2_step",
            f"<|im_start|>user\nDECL \nGOAL {TEXT}\n<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "internlm2_5_step",
            (
                "<|im_start|>user\n---\nNAME: \n\n---\nPROOF_BEFORE: \n\n"
                f"---\nSTATE_BEFORE: {TEXT}\n\n---\nTACTIC: <|im_end|>\n<|im_start|>assistant\n"
            ),
        ),
    ],
)
def test_public_step_provers_are_asked_as_their_authors_publish_it(name: str, prompt: str) -> None:
    assert PROMPT_FORMATS[name].render(STATE) == prompt


@pytest.mark.parametrize(
    ("name", "completion", "tactic", "end"),
    [
        ("bfs_prover", "simp [h]", "simp [h]", 8),
        ("llmstep", " intro n", "intro n", 8),
        ("reprover", "rw [<a>Nat.add_comm</a>]\nsimp", "rw [Nat.add_comm]", 24),
        ("ntp", "let s := 1\n", "let s := 1", 10),
        ("internlm2_math", "Here it is:\n```lean\nsimp\n```", "simp", 24),
        ("internlm2_step", "PROOFSTEP induction n with t Ht", "induction n with t Ht", 31),
        ("internlm2_5_step", "rw [← Nat.mod_add_div n 8]", "rw [← Nat.mod_add_div n 8]", 26),
        ("ntp", "simp\n[/TAC]", "simp", 4),
        ("bfs_prover", "obtain ⟨a, h⟩ := h\n:::", "obtain ⟨a, h⟩ := h", 18),
        ("chat", "```lean4\nintro n\nsimp\n```", "intro n", 16),
        ("chat", "We simplify.\n\n```\nsimp\n```\nDone.", "simp", 22),
        ("chat", "simp", "simp", 4),
        ("chat", "1. So:\r\n   ```lean \r\n   omega\r\n   ```", "omega", 29),
        ("chat", "```lean4\nexample (n : Nat) : n + 0 = n := by\n  simp\n```", "simp", 51),
        ("internlm2_math", "```lean\nhave h : a := by\n  simp\n", "have h : a := by\n  simp", 31),
    ],
)
def test_and_answer_as_these_do(name: str, completion: str, tactic: str, end: int) -> None:
    block = PROMPT_FORMATS[name].parse(completion)
    assert block is not None
    assert (block.tactic, block.end) == (tactic, end)


def test_a_small_model_is_shown_the_goal_that_it_works_on_and_no_other() -> None:
    first = Goal(text="case inl\np : Prop\n⊢ p", target="p", case_name="inl")
    state = ProofState((first, Goal(text="case inr\n⊢ q", target="q", case_name="inr")), "k", StateRef(0, 0))
    assert PROMPT_FORMATS["first_goal"].render(state) == "p : Prop\n⊢ p\n:::"


def test_a_small_model_of_logic_is_shown_which_hypothesis_says_what() -> None:
    text = "case inl\np q : Prop\nh : p\nh1 : p → q\n⊢ q"
    goal = Goal(text=text, target="q", case_name="inl")
    state = ProofState((goal, Goal(text="case inr\n⊢ p", target="p", case_name="inr")), "k", StateRef(0, 0))
    shown = "p q : Prop\nh : p\nh1 : p → q\n⊢ q\n"
    assert PROMPT_FORMATS["goal_digest"].render(state) == f"{shown}h\nh1 → h ⊢\n⊢\n:::"


def test_braces_of_a_state_are_its_own() -> None:
    state = ProofState((Goal(text="⊢ {x | x = {state}}", target=""),), "k", StateRef(0, 0))
    assert PROMPT_FORMATS["bfs_prover"].render(state) == "⊢ {x | x = {state}}:::"


@pytest.mark.parametrize("template", ["", "no place", "{state} and {state}"])
def test_a_template_has_one_place_for_the_state(template: str) -> None:
    with pytest.raises(ValueError, match="once"):
        TemplateFormat(template=template, stop=(), source="here")


def test_marks_alone_are_no_tactic() -> None:
    assert PROMPT_FORMATS["reprover"].parse("<a></a>") is None
    assert PROMPT_FORMATS["reprover"].parse("") is None


@pytest.mark.parametrize("name", WHOLE_PROOF_FORMATS)
def test_a_whole_proof_is_kept_and_no_empty_line_stops_it(name: str) -> None:
    single, whole = (prompt_format_of(name, whole_proofs=each) for each in (False, True))
    proof = "intro n\n  simp" if name == "prefix" else "intro n\nsimp"
    block = whole.parse(f"{proof}\n```")
    assert block is not None
    assert block.tactic == "intro n\nsimp"
    first = single.parse(proof)
    assert first is not None
    assert first.tactic == "intro n"
    assert "\n\n" not in whole.stop
    assert ("tactic" in single.render(STATE).partition("```")[0]) == (whole.render(STATE) != single.render(STATE))


def test_a_model_of_single_tactics_is_not_asked_for_proofs() -> None:
    with pytest.raises(ValueError, match="'bfs_prover' write one tactic: choose one of state_comment, prefix"):
        prompt_format_of("bfs_prover", whole_proofs=True)
