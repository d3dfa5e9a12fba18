"""Whether a remote encoder agrees with itself."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from leanebm.errors import EncoderError
from leanebm.policy._embeddings import cosine

__all__ = ["check_encoder"]

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


async def check_encoder(
    encode_batch: Callable[[Sequence[str]], Awaitable[Sequence[array[float]]]], *, url: str
) -> None:
    """Encode a few texts alone, together, and again, and compare.

    Servers are known that mix up hidden states when requests share a batch or a prefix cache. Their
    vectors look fine one by one.

    Raises:
        EncoderError: a text's vector depends on its company, or two texts get the same vector.
        PolicyError: the server could not answer.
    """
    alone = [(await encode_batch([text]))[0] for text in _TEXTS]
    together = await encode_batch(_TEXTS)
    again = await encode_batch(_TEXTS[::-1])
    for text, one, two, three in zip(_TEXTS, alone, together, again[::-1], strict=True):
        if min(cosine(one, two), cosine(one, three)) < _LEAST_AGREEMENT:
            raise EncoderError(f"{url} gives {text!r} another embedding in a batch than alone", url=url)
    for index, one in enumerate(alone):
        if any(cosine(one, two) > _MOST_LIKENESS for two in alone[:index]):
            raise EncoderError(f"{url} gives different texts the same embedding", url=url)
