"""Whether a remote encoder agrees with itself."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from leanebm.errors import EncoderError
from leanebm.policy._embeddings import cosine, norm

__all__ = ["check_encoder"]

EncodeBatch = Callable[[Sequence[str]], Awaitable[Sequence["array[float]"]]]

_TEXTS: Final = (
    "⊢ True",
    "n : Nat\n⊢ n + 0 = n",
    "α : Type\nxs ys : List α\n⊢ (xs ++ ys).reverse = ys.reverse ++ xs.reverse",
    "p q r : Prop\nhp : p\nhq : q\nh : p → q → r\n⊢ r ∧ p ∨ ¬q",
)
_LEAST_AGREEMENT: Final = 0.999
"""Cosine; batching changes the order of sums in low precision, and nothing else."""

_MOST_LIKENESS: Final = 0.99999
"""Cosine above which two different texts count as confused."""

_UNIT_TOLERANCE: Final = 0.01
"""How far from 1 half precision may carry a length that was made 1."""


async def check_encoder(encode_batch: EncodeBatch, *, url: str, max_batch: int, is_normalized: bool) -> int:
    """Encode a few texts alone, together, and again, and compare.

    Servers are known that mix up hidden states when requests share a batch or a prefix cache. Their
    vectors look fine one by one.

    Args:
        encode_batch: asks the server for the vectors of at most ``max_batch`` texts, and checks that
            each is finite, not zero, and of one width.
        url: the server, for messages.
        max_batch: texts a request. More are asked for in several requests at once, which a server may
            well put into one batch again.
        is_normalized: whether the vectors are said to have length 1.

    Returns:
        The width of a vector.

    Raises:
        EncoderError: a text's vector depends on its company, two texts get the same vector, or a
            vector does not have the length it should have.
        PolicyError: the server could not answer.
    """
    alone = [(await encode_batch([text]))[0] for text in _TEXTS]
    together = await _at_once(encode_batch, _TEXTS, max_batch)
    again = (await _at_once(encode_batch, _TEXTS[::-1], max_batch))[::-1]
    if len({len(vector) for vector in (*alone, *together, *again)}) != 1:
        raise EncoderError(f"{url} makes embeddings of different widths", url=url)
    for text, one, two, three in zip(_TEXTS, alone, together, again, strict=True):
        if min(cosine(one, two), cosine(one, three)) < _LEAST_AGREEMENT:
            raise EncoderError(f"{url} gives {text!r} another embedding in company than alone", url=url)
    for index, one in enumerate(alone):
        if any(cosine(one, two) > _MOST_LIKENESS for two in alone[:index]):
            raise EncoderError(f"{url} gives different texts the same embedding", url=url)
    if is_normalized and any(abs(norm(vector) - 1.0) > _UNIT_TOLERANCE for vector in alone):
        raise EncoderError(f"{url} is said to make embeddings of length 1, and does not", url=url)
    return len(alone[0])


async def _at_once(encode_batch: EncodeBatch, texts: Sequence[str], max_batch: int) -> list[array[float]]:
    """All texts, in as few requests as allowed, none of which waits for another."""
    try:
        async with asyncio.TaskGroup() as tasks:
            asking = [
                tasks.create_task(_vectors(encode_batch, texts[start : start + max_batch]))
                for start in range(0, len(texts), max_batch)
            ]
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    return [vector for task in asking for vector in task.result()]


async def _vectors(encode_batch: EncodeBatch, texts: Sequence[str]) -> Sequence[array[float]]:
    return await encode_batch(texts)
