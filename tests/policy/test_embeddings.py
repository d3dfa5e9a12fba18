from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import EncoderError, PolicyProtocolError
from leanebm.policy._embeddings import cosine, decode_embeddings

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(FLOATS, min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_vectors_come_back_in_order_as_float32(vectors: list[list[float]]) -> None:
    reply = [{"embedding": vector, "meta_info": {"weight_version": "w"}} for vector in vectors]
    batch = decode_embeddings(reply, len(vectors), dim=3)
    assert [list(vector) for vector in batch.vectors] == vectors
    assert batch.weight_version == "w"


def test_without_a_stated_width_the_first_sets_it() -> None:
    with pytest.raises(EncoderError, match="3 numbers where 2"):
        decode_embeddings([{"embedding": [1.0, 2.0]}, {"embedding": [1.0, 2.0, 3.0]}], 2, dim=None)


@pytest.mark.parametrize(
    "reply", [[], [{}], [{"embedding": "x"}], ["x"], None, [{"embedding": [1]}, {"embedding": [1]}]]
)
def test_other_shapes_are_protocol_errors(reply: object) -> None:
    with pytest.raises(PolicyProtocolError):
        decode_embeddings(reply, 1, dim=None)


def test_cosine_is_one_for_parallel_vectors() -> None:
    assert cosine(array("f", [1, 2]), array("f", [2, 4])) == pytest.approx(1.0)
    assert cosine(array("f", [1, 0]), array("f", [0, 1])) == 0.0
