from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import PolicyProtocolError
from leanebm.policy._dialects.sglang import decode_samples
from leanebm.testing import sample_object as sampled


def test_a_single_object_is_as_good_as_a_list_of_one() -> None:
    assert len(decode_samples(sampled("simp", -0.1), 1).samples) == 1


def test_token_counts_that_disagree_are_noticed() -> None:
    odd = sampled("simp", -0.1)
    odd["meta_info"]["completion_tokens"] = 2
    assert decode_samples(odd, 1).token_count_mismatches == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "meta_info", "x"]), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "reply",
    [
        [sampled("simp", -0.1)],
        [sampled("simp", -0.1), sampled("rfl")],
        [sampled("simp", -0.1), {"text": "rfl", "meta_info": {"finish_reason": {"type": "stop"}}}],
        [sampled("simp", -0.1), {"text": "rfl"}],
    ],
    ids=["too few", "no log-probabilities", "no field for them", "no meta_info"],
)
def test_what_is_missing_is_not_guessed(reply: object) -> None:
    with pytest.raises(PolicyProtocolError):
        decode_samples(reply, 2)


@given(JSON, st.integers(1, 3))
def test_any_json_off_the_contract_is_a_protocol_error(reply: object, n: int) -> None:
    with pytest.raises(PolicyProtocolError):
        decode_samples(reply, n)


@pytest.mark.parametrize("number", [10**400, -(10**400), "9" * 30, True])
def test_a_number_that_no_float_holds_is_no_log_probability(number: object) -> None:
    reply = sampled("simp", -0.5)
    reply["meta_info"]["output_token_logprobs"][0][0] = number
    with pytest.raises(PolicyProtocolError) as caught:
        decode_samples(reply, 1)
    assert len(str(caught.value)) < 300


def test_nonsense_nested_deeper_than_python_goes_is_told_in_few_words() -> None:
    nested: object = 0
    for _ in range(100_000):
        nested = [nested]
    reply = sampled("simp", -0.5)
    reply["meta_info"]["finish_reason"] = nested
    with pytest.raises(PolicyProtocolError, match="unknown reason"):
        decode_samples(reply, 1)
