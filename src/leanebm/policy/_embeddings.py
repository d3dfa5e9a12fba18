"""Answers of ``/encode`` to vectors. Pure: JSON in, values out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any

import attrs

from leanebm.errors import EncoderError, PolicyProtocolError

__all__ = ["EmbeddingBatch", "cosine", "decode_embeddings"]


@attrs.frozen(kw_only=True)
class EmbeddingBatch:
    """What one answer held, in the order of the request."""

    vectors: tuple[array[float], ...]
    weight_version: str | None


def decode_embeddings(reply: object, count: int, *, dim: int | None) -> EmbeddingBatch:
    """Read the answer to a request of ``count`` texts.

    Args:
        reply: the parsed JSON.
        count: how many embeddings there must be.
        dim: the width each must have; ``None`` demands only that they agree.

    Raises:
        PolicyProtocolError: the answer has another shape.
        EncoderError: a vector is of the wrong width, all zero or not finite.
    """
    items = reply if isinstance(reply, list) else [reply]
    if len(items) != count:
        raise PolicyProtocolError(f"the server answered {len(items)} embeddings where {count} were asked for")
    vectors: list[array[float]] = []
    version: str | None = None
    for item in items:
        if not isinstance(item, Mapping) or not isinstance(item.get("embedding"), list):
            raise PolicyProtocolError("an embedding is missing from the answer")
        vectors.append(_vector(item["embedding"], dim=dim or (len(vectors[0]) if vectors else None)))
        meta = item.get("meta_info")
        if isinstance(meta, Mapping) and isinstance(meta.get("weight_version"), str):
            version = meta["weight_version"]
    return EmbeddingBatch(vectors=tuple(vectors), weight_version=version)


def cosine(left: array[float], right: array[float]) -> float:
    """The cosine of the angle between two vectors that are not zero."""
    return _dot(left, right) / math.sqrt(_dot(left, left) * _dot(right, right))


def _dot(left: array[float], right: array[float]) -> float:
    return math.fsum(x * y for x, y in zip(left, right, strict=True))


def _vector(numbers: list[Any], *, dim: int | None) -> array[float]:
    try:
        vector: array[float] = array("f", numbers)
    except (TypeError, OverflowError) as error:
        raise EncoderError(f"an embedding holds something that is not a float32: {error}") from error
    if dim is not None and len(vector) != dim:
        raise EncoderError(f"an embedding has {len(vector)} numbers where {dim} were expected")
    if not all(map(math.isfinite, vector)):
        raise EncoderError("an embedding holds a number that is not finite")
    if not any(vector):
        raise EncoderError("an embedding is all zeros: the server lost the text it stands for")
    return vector
