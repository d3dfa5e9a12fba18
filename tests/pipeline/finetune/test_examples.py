from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline._rendering import written
from leanebm.pipeline.finetune._examples import Example, Tokenised, epoch_batches, passes, renamed_copies, tokenised
from leanebm.pipeline.finetune.lessons import Lesson
from leanebm.policy import PROMPT_FORMATS
from leanebm.serve.backends.hf.tokenizer import PromptTokenizer

INDUCTION = "induction n with\n| zero => rfl\n| succ n ih => simp"
LESSON = Lesson("t", "p q : Prop\nx : Nat\nh : p → q\nhp : p\n⊢ q", "exact h hp")
STATE = "case succ\nn m : Nat\nh : n = m\n⊢ n + 0 = m"


@pytest.fixture
def tokenizer(tiny: Path) -> PromptTokenizer:
    return PromptTokenizer.load(tiny, trust_remote_code=False)


def read(
    tokenizer: PromptTokenizer, *tactics: str, state: str = STATE, shown: str = "state_comment", most: int = 512
) -> Tokenised:
    lessons = [Lesson("", state, tactic) for tactic in tactics]
    return tokenised(lessons, PROMPT_FORMATS[shown], tokenizer, max_tokens=most, max_state_chars=16_000)


def spelt(tokenizer: PromptTokenizer, tokens: tuple[int, ...]) -> str:
    stream = tokenizer.stream(skip_special_tokens=True)
    return "".join(stream.next(token) for token in tokens)


@pytest.mark.parametrize("shown", sorted(set(PROMPT_FORMATS) - {"chat"}))
@pytest.mark.parametrize("tactic", ["simp", INDUCTION])
def test_an_example_is_the_servers_prompt_and_a_tactic_that_the_format_reads_back(
    tokenizer: PromptTokenizer, shown: str, tactic: str
) -> None:
    [example] = read(tokenizer, tactic, shown=shown).examples
    prompt, completion = example.tokens[: example.start], example.tokens[example.start :]
    assert prompt == tokenizer.encode([spelt(tokenizer, prompt)])[0]
    assert "⊢ n + 0 = m" in spelt(tokenizer, prompt)
    assert completion[-1] == tokenizer.eos_id
    block = PROMPT_FORMATS[shown].parse(spelt(tokenizer, completion))
    assert block is not None
    assert block.tactic == tactic


def test_a_prompt_that_is_too_long_loses_its_beginning_and_a_tactic_nothing(tokenizer: PromptTokenizer) -> None:
    [whole] = read(tokenizer, INDUCTION).examples
    completion = whole.tokens[whole.start :]
    for room in (len(whole.tokens) - 1, len(completion) + 20, len(completion) + 2):
        found = read(tokenizer, INDUCTION, most=room)
        [cut] = found.examples
        assert (len(cut.tokens), found.cut_prompts) == (room, 1)
        assert cut.tokens[cut.start :] == completion
        assert cut.tokens[0] == whole.tokens[0], "the token for a text's beginning stays"
        assert cut.tokens[1 : cut.start] == whole.tokens[whole.start - cut.start + 1 : whole.start]
    assert read(tokenizer, INDUCTION, most=len(whole.tokens)).cut_prompts == 0
    none = read(tokenizer, INDUCTION, most=len(completion) + 1)
    assert (none.examples, none.left_out["tactic_too_long"], none.cut_prompts) == ((), 1, 0)


def test_what_a_search_could_not_run_is_left_out_and_counted(tokenizer: PromptTokenizer) -> None:
    found = read(tokenizer, "constructor\nsimp", "simp -- why\nrfl", "rfl")
    assert (len(found.examples), found.left_out["tactic_not_read_back"]) == (1, 2)
    found = read(tokenizer, "rfl", state="no goal at all")
    assert (found.examples, found.left_out["state_not_read"]) == ((), 1)


def test_a_block_is_indented_where_the_prompt_is() -> None:
    assert written(INDUCTION, PROMPT_FORMATS["state_comment"]) == INDUCTION
    assert written(INDUCTION, PROMPT_FORMATS["prefix"]) == INDUCTION.replace("\n", "\n  ")


def test_a_tokenizer_without_an_end_is_refused(tokenizer: PromptTokenizer) -> None:
    tokenizer.eos_id = None
    with pytest.raises(ConfigError, match="no end token"):
        read(tokenizer, "simp")


def test_each_epoch_sees_everything_once_in_another_order() -> None:
    lengths = [(i * 37) % 101 for i in range(205)]
    epochs = [epoch_batches(lengths, 8, seed=1, epoch=epoch) for epoch in (0, 0, 1)]
    assert epochs[0] == epochs[1] != epochs[2]
    assert all(sorted(i for batch in batches for i in batch) == list(range(205)) for batches in epochs)
    assert epoch_batches(lengths, 8, seed=2, epoch=0) != epochs[0]


def test_batches_hold_what_is_about_as_long() -> None:
    lengths = [(i * 37) % 101 for i in range(256)]
    padding = sum(
        max(lengths[i] for i in batch) - lengths[j]
        for batch in epoch_batches(lengths, 8, seed=0, epoch=0)
        for j in batch
    )
    unsorted = sum(max(lengths[start : start + 8]) * 8 - sum(lengths[start : start + 8]) for start in range(0, 256, 8))
    assert padding < unsorted / 4


def test_a_pass_is_bounded_with_its_padding() -> None:
    examples = [Example(tuple(range(length)), 0) for length in (3, 30, 5, 9, 100, 4)]
    groups = list(passes(examples, 32))
    assert sorted(len(one.tokens) for group in groups for one in group) == [3, 4, 5, 9, 30, 100]
    assert all(len(group) == 1 or max(len(one.tokens) for one in group) * len(group) <= 32 for group in groups)
    assert len(groups) == 4


def test_a_copy_differs_in_which_variable_bears_which_name() -> None:
    [first, second] = renamed_copies([LESSON], 8, seed=0)
    assert first == LESSON
    assert second == Lesson("t", "p q : Prop\nx : Nat\nh : q → p\nhp : q\n⊢ p", "exact h hp")


def test_a_tactic_is_renamed_with_its_state() -> None:
    lesson = Lesson("t", "a b : Nat\nab : a = b\n⊢ b = a", "exact (ab : a = b).symm")
    copies = set(renamed_copies([lesson], 8, seed=0))
    assert Lesson("t", "a b : Nat\nab : b = a\n⊢ a = b", "exact (ab : b = a).symm") in copies


def test_the_type_of_variables_declared_together_is_renamed_too() -> None:
    lesson = Lesson("t", "p q : Prop\nhp hp' : p\nhq : q\n⊢ p ∧ q", "exact ⟨hp, hq⟩")
    copies = set(renamed_copies([lesson], 32, seed=0))
    assert copies == {
        attrs.evolve(lesson, state=state, tactic=tactic)
        for state in (lesson.state, "p q : Prop\nhp hp' : q\nhq : p\n⊢ q ∧ p")
        for tactic in (lesson.tactic, "exact ⟨hp', hq⟩")
    }


@pytest.mark.parametrize(
    ("names", "others"),
    [("h✝ h", set()), ("h✝¹ h✝ h", set()), ("h✝ h g", {"exact g"})],
)
def test_a_name_that_no_tactic_can_say_is_no_variables_new_one(names: str, others: set[str]) -> None:
    lesson = Lesson("t", f"p : Prop\n{names} : p\n⊢ p", "exact h")
    assert {copy.tactic for copy in renamed_copies([lesson], 8, seed=0)} == {"exact h"} | others


def test_what_declares_no_two_variables_together_has_no_copies() -> None:
    lesson = Lesson("t", "p : Prop\nh : p\n⊢ p", "exact h")
    assert list(renamed_copies([lesson], 8, seed=0)) == [lesson]


def test_a_name_of_several_goals_is_left_alone_where_it_means_different_things() -> None:
    lesson = Lesson("t", "p q : Prop\n⊢ p\n\nq r : Nat\n⊢ q = r", "skip")
    assert list(renamed_copies([lesson], 8, seed=0)) == [lesson]


def test_no_copies_is_what_it_says_and_as_many_as_asked_for_at_most() -> None:
    many = Lesson("t", "a b c d e : Nat\n⊢ a + b + c + d = e", "omega")
    assert list(renamed_copies([many], 0, seed=0)) == [many]
    copies = list(renamed_copies([many], 5, seed=0))
    assert 3 <= len(copies) <= 6
    assert len(set(copies)) == len(copies)
    assert copies == list(renamed_copies([many], 5, seed=0))
