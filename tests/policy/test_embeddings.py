from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import EncoderError, PolicyProtocolError, PolicyUnavailable
from leanebm.policy._embeddings import check_encoder, cosine, decode_embeddings

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.lists(FLOATS, min_size=3, max_size=3).filter(any), min_size=1, max_size=5))
def test_vectors_come_back_in_order_as_float32(vectors: list[list[float]]) -> None:
    reply = [{"embedding": vector, "meta_info": {"weight_version": "w"}} for vector in vectors]
    batch = decode_embeddings(reply, len(vectors), dim=3)
    assert [list(vector) for vector in batch.vectors] == vectors
    assert batch.versions == {"weights": "w"}


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


def honest(text: str) -> array[float]:
    return array("f", [len(text), text.count("⊢"), text.count("n") + 1])


@pytest.mark.parametrize("max_batch", [1, 3, 32])
async def test_an_encoder_that_agrees_with_itself_passes(max_batch: int) -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        return [honest(text) for text in texts]

    assert await check_encoder(encode, url="u", max_batch=max_batch, is_normalized=False) == 3


async def test_an_encoder_whose_batches_differ_is_found_out() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        vectors = [honest(text) for text in texts]
        return vectors if len(texts) == 1 else [*vectors[1:], vectors[0]]

    with pytest.raises(EncoderError, match="in company than alone"):
        await check_encoder(encode, url="u", max_batch=32, is_normalized=False)


async def test_an_encoder_that_sees_no_difference_is_found_out() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [1.0, 2.0])] * len(texts)

    with pytest.raises(EncoderError, match="different texts"):
        await check_encoder(encode, url="u", max_batch=32, is_normalized=False)


async def test_requests_that_are_mixed_up_on_the_server_are_found_out_without_batches() -> None:
    under_way = 0

    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        nonlocal under_way
        under_way += 1
        await asyncio.sleep(0)
        company, under_way = under_way, under_way - 1
        return [array("f", [*honest(text)[:2], 1.0 if company == 1 else -9.0]) for text in texts]

    with pytest.raises(EncoderError, match="in company than alone"):
        await check_encoder(encode, url="u", max_batch=1, is_normalized=False)


async def test_a_failure_comes_out_as_it_is() -> None:
    calls = 0

    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise PolicyUnavailable("gone")
        return [honest(text) for text in texts]

    with pytest.raises(PolicyUnavailable, match="gone"):
        await check_encoder(encode, url="u", max_batch=1, is_normalized=False)


async def test_vectors_said_to_have_length_one_are_measured() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        return [honest(text) for text in texts]

    with pytest.raises(EncoderError, match="length 1"):
        await check_encoder(encode, url="u", max_batch=4, is_normalized=True)
