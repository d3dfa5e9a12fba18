from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Candidate
from leanebm.policy import StateCommentFormat
from leanebm.policy._dialects.sglang import decode_samples
from leanebm.policy._samples import candidates_of
from leanebm.testing import sample_object as sampled


def candidates(*samples: dict[str, Any]) -> list[Candidate]:
    batch = decode_samples(list(samples), len(samples))
    return candidates_of(batch, StateCommentFormat())[0]


def test_the_likeliest_comes_first() -> None:
    found = candidates(sampled("rfl", -2.0, ids=[1]), sampled("simp", -1.0, ids=[2]), sampled("omega", -3.0, ids=[3]))
    assert [c.tactic for c in found] == ["simp", "rfl", "omega"]


def test_the_log_probability_sums_over_all_tokens_and_the_end_token_is_one() -> None:
    assert candidates(sampled("simp", -0.5, -0.25)) == [Candidate("simp", -0.75, num_tokens=2)]


def test_the_same_ids_drawn_twice_do_not_add_up() -> None:
    assert candidates(sampled("simp", -1.0, ids=[7]), sampled("simp", -1.0, ids=[7])) == [Candidate("simp", -1.0)]


def test_the_same_text_by_other_ids_adds_up() -> None:
    (only,) = candidates(sampled("simp", math.log(0.25), ids=[7]), sampled("simp", math.log(0.5), ids=[8]))
    assert math.isclose(math.exp(only.log_prob), 0.75)


def test_sums_never_exceed_certainty() -> None:
    (only,) = candidates(sampled("simp", -1e-9, ids=[7]), sampled("simp", 1e-4, ids=[8]))
    assert only.log_prob == 0.0


def test_a_completion_that_ran_into_the_length_limit_is_marked() -> None:
    (cut,) = candidates(sampled("rw [foo", -1.0, finish="length"))
    assert cut.is_truncated


def test_but_not_if_its_first_tactic_was_complete() -> None:
    (whole,) = candidates(sampled("intro n\nrw [foo", -1.0, finish="length"))
    assert (whole.tactic, whole.is_truncated) == ("intro n", False)


def test_only_the_tokens_of_the_tactic_itself_count() -> None:
    cut = sampled("intro n\nsimp", -1.0, -0.5, -4.0, token_texts=["intro", " n", "\nsimp"])
    assert candidates(cut) == [Candidate("intro n", -1.5, num_tokens=2)]


def test_two_completions_that_start_with_the_same_tactic_are_one_candidate() -> None:
    one = sampled("intro n\nsimp", -1.0, -4.0, ids=[5, 6], token_texts=["intro n", "\nsimp"])
    two = sampled("intro n\nrfl", -1.0, -3.0, ids=[5, 7], token_texts=["intro n", "\nrfl"])
    assert candidates(one, two) == [Candidate("intro n", -1.0)]


def test_tokens_that_do_not_spell_the_text_count_in_full() -> None:
    odd = sampled("exact ∀\nsimp", -1.0, -1.0, token_texts=["exact \ufffd", "\ufffd\nsimp"])
    assert candidates(odd)[0].log_prob == -2.0


@given(st.lists(st.tuples(st.sampled_from(["simp", "rfl", "omega"]), st.integers(0, 3)), min_size=1, max_size=20))
def test_candidates_are_distinct_ordered_and_at_most_certain(draws: list[tuple[str, int]]) -> None:
    weight = {draw: 1 / (2 * len(set(draws))) for draw in draws}
    found = candidates(*(sampled(text, math.log(weight[text, i]), ids=[i]) for text, i in draws))
    assert len({c.tactic for c in found}) == len(found)
    assert [c.log_prob for c in found] == sorted((c.log_prob for c in found), reverse=True)
    assert math.isclose(math.fsum(math.exp(c.log_prob) for c in found), 0.5)


def test_half_of_a_surrogate_pair_is_no_tactic_since_no_file_can_hold_it() -> None:
    assert [found.tactic for found in candidates(sampled("simp \ud800", -0.5), sampled("rfl", -1.0))] == ["rfl"]
