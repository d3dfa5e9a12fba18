from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyError
from leanebm.serve import Completion, SamplingParams
from leanebm.serve.backends.hf._sequence import SampledSequence

PIECES = ["ab", "\n", "", "xyz", "é", "\n\n", "b"]
END = 99


class Spelling:
    """Token ``i`` is ``PIECES[i]``; the end has no text."""

    def next(self, token_id: int) -> str:
        return "" if token_id == END else PIECES[token_id]


def sequence(**params: Any) -> SampledSequence:
    end_ids = {END, *params.pop("end_ids", ())}
    return SampledSequence(
        prompt_tokens=7,
        params=SamplingParams(**params),
        end_ids=end_ids,
        stream=Spelling(),
        rng=random.Random(0),  # noqa: S311 - test data
    )


def run(tokens: list[int], **params: Any) -> tuple[Completion, int]:
    """Feed tokens until it ends; the completion, and how many it took."""
    growing = sequence(**params)
    for count, token in enumerate(tokens, 1):
        growing.append(token, -1.0)
        if growing.is_finished:
            return growing.completion(), count
    raise AssertionError("it never ended")


def test_the_end_token_is_counted_but_not_spelt() -> None:
    completion, _ = run([0, 3, END])
    assert (completion.text, completion.finish, completion.matched) == ("abxyz", "stop", END)
    assert [token.token_id for token in completion.tokens] == [0, 3, END]
    assert completion.prompt_tokens == 7


def test_a_stop_token_with_a_text_is_cut_unless_it_is_to_stay() -> None:
    assert run([0, 3], end_ids=[3])[0].text == "ab"
    assert run([0, 3], end_ids=[3], no_stop_trim=True)[0].text == "abxyz"


def test_the_length_limit_ends_it_unless_the_end_came_in_time() -> None:
    completion, _ = run([0, 0, 0], max_new_tokens=2)
    assert (completion.text, completion.finish, completion.matched) == ("abab", "length", None)
    assert run([0, END], max_new_tokens=2)[0].finish == "stop"


def test_a_stop_text_may_be_spread_over_tokens_or_lie_inside_one() -> None:
    spread, count = run([0, 1, 2, 1, 0], stop=("\n\n",))
    assert (spread.text, spread.matched, count, len(spread.tokens)) == ("ab", "\n\n", 4, 4)
    assert run([3], stop=("y",))[0].text == "x"
    assert run([3], stop=("y",), no_stop_trim=True)[0].text == "xy"


def test_the_stop_that_begins_first_wins() -> None:
    assert run([3], stop=("z", "yz"))[0].matched == "yz"
    assert run([0], stop=("", "b"))[0].text == "a"


@given(
    tokens=st.lists(st.integers(0, len(PIECES) - 1), min_size=1, max_size=30),
    stops=st.lists(st.text("ab\nxyé", min_size=1, max_size=4), max_size=4),
)
def test_stops_are_found_as_if_the_whole_text_were_searched_each_time(tokens: list[int], stops: list[str]) -> None:
    completion, count = run(tokens, stop=tuple(stops), max_new_tokens=len(tokens))
    texts = ["".join(PIECES[token] for token in tokens[: i + 1]) for i in range(len(tokens))]
    first = next((i for i, text in enumerate(texts) if any(stop in text for stop in stops)), None)
    if first is None:
        assert (completion.finish, completion.text, count) == ("length", texts[-1], len(tokens))
    else:
        assert count == first + 1
        assert completion.text == texts[first][: min(texts[first].find(s) for s in stops if s in texts[first])]
    assert "".join(token.text for token in completion.tokens).startswith(completion.text)


def test_a_token_without_a_probability_is_an_error_of_that_sequence() -> None:
    growing = sequence()
    growing.append(0, math.nan)
    assert growing.is_finished
    with pytest.raises(PolicyError, match="not finite"):
        growing.completion()


def test_it_has_a_completion_only_at_its_end() -> None:
    growing = sequence()
    growing.append(0, -1.0)
    with pytest.raises(ValueError, match="not ended"):
        growing.completion()


def test_its_chances_are_its_own_and_below_one() -> None:
    one, two = sequence(), sequence()
    draws = [one.uniform() for _ in range(5)]
    assert draws == [two.uniform() for _ in range(5)]
    assert all(0.0 <= draw < 1.0 for draw in draws)
