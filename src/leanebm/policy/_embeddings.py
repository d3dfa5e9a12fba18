"""Answers with embeddings to vectors. Pure: JSON in, values out."""

from __future__ import annotations

import asyncio
import math
from array import array
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import attrs

from leanebm.errors import EncoderError, PolicyProtocolError
from leanebm.policy._versions import Versions, versions_of


@attrs.frozen(kw_only=True)
class EmbeddingBatch:
    """What one answer held, in the order of the request."""

    vectors: tuple[array[float], ...]
    versions: Versions


def encode_body(texts: Sequence[str], adapter: str | None) -> dict[str, object]:
    """The body of an ``/encode`` request."""
    body: dict[str, object] = {"text": list(texts)}
    return body if adapter is None else {**body, "lora_path": adapter}


def decode_embeddings(reply: object, count: int, *, dim: int | None, adapter: str | None = None) -> EmbeddingBatch:
    """Read the answer to an ``/encode`` request of ``count`` texts.

    Args:
        reply: the parsed JSON.
        count: how many embeddings there must be.
        dim: the width each must have; ``None`` demands only that they agree.
        adapter: the one that was asked for.

    Raises:
        PolicyProtocolError: the answer has another shape, or is of several versions.
        EncoderError: a vector is of the wrong width, all zero or not finite.
    """
    items = reply if isinstance(reply, list) else [reply]
    if len(items) != count:
        raise PolicyProtocolError(f"the server answered {len(items)} embeddings where {count} were asked for")
    rows = [item.get("embedding") if isinstance(item, Mapping) else None for item in items]
    versions: dict[str, str] = {}
    for what, version in (said for item in items for said in versions_of(item, adapter).items()):
        if (other := versions.setdefault(what, version)) != version:
            raise PolicyProtocolError(f"one answer was made with several versions of the {what}: {other}, {version}")
    return EmbeddingBatch(vectors=vectors_of(rows, dim=dim), versions=versions)


def vectors_of(rows: Sequence[object], *, dim: int | None) -> tuple[array[float], ...]:
    """Check rows of numbers, and pack them as float32.

    Raises:
        PolicyProtocolError: a row is not a list.
        EncoderError: a row is of the wrong width, all zero or not finite.
    """
    vectors: list[array[float]] = []
    for row in rows:
        vectors.append(_vector(row, dim=dim or (len(vectors[0]) if vectors else None)))
    return tuple(vectors)


def cosine(left: array[float], right: array[float]) -> float:
    """The cosine of the angle between two vectors that are not zero."""
    dot = math.fsum(x * y for x, y in zip(left, right, strict=True))
    return dot / (math.hypot(*left) * math.hypot(*right))


def _vector(row: object, *, dim: int | None) -> array[float]:
    if not isinstance(row, list):
        raise PolicyProtocolError("an embedding is missing from the answer")
    try:
        vector: array[float] = array("f", row)
    except (TypeError, OverflowError) as error:
        raise EncoderError(f"an embedding holds something that is not a float32: {error}") from error
    if dim is not None and len(vector) != dim:
        raise EncoderError(f"an embedding has {len(vector)} numbers where {dim} were expected")
    if not all(map(math.isfinite, vector)):
        raise EncoderError("an embedding holds a number that is not finite")
    if not any(vector):
        raise EncoderError("an embedding is all zeros: the server lost the text it stands for")
    return vector


EncodeBatch = Callable[[Sequence[str]], Awaitable[Sequence["array[float]"]]]
"""Gets one batch; raises ``PolicyError``, or ``ConfigError`` if the server is not what it should be."""

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
        max_batch: texts per request. More are asked for in several requests at once, which a server may
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
    if is_normalized and any(abs(math.hypot(*vector) - 1.0) > _UNIT_TOLERANCE for vector in alone):
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
