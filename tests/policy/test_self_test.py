from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest

from leanebm.errors import EncoderError
from leanebm.policy._self_test import check_encoder


def honest(text: str) -> array[float]:
    return array("f", [len(text), text.count("⊢"), text.count("n") + 1])


async def test_an_encoder_that_agrees_with_itself_passes() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        return [honest(text) for text in texts]

    await check_encoder(encode, url="u")


async def test_an_encoder_whose_batches_differ_is_found_out() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        vectors = [honest(text) for text in texts]
        return vectors if len(texts) == 1 else [*vectors[1:], vectors[0]]

    with pytest.raises(EncoderError, match="in a batch than alone"):
        await check_encoder(encode, url="u")


async def test_an_encoder_that_sees_no_difference_is_found_out() -> None:
    async def encode(texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [1.0, 2.0])] * len(texts)

    with pytest.raises(EncoderError, match="different texts"):
        await check_encoder(encode, url="u")
