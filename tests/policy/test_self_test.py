from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

import pytest

from leanebm.errors import EncoderError, PolicyUnavailable
from leanebm.policy._self_test import check_encoder


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
