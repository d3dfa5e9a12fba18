"""Answers with embeddings to vectors. Pure: JSON in, values out."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

import attrs

from leanebm.errors import EncoderError, PolicyProtocolError

__all__ = ["EmbeddingBatch", "cosine", "decode_embeddings", "encode_body", "norm", "vectors_of", "version_of"]


@attrs.frozen(kw_only=True)
class EmbeddingBatch:
    """What one answer held, in the order of the request."""

    vectors: tuple[array[float], ...]
    weight_version: str | None


def encode_body(texts: Sequence[str], adapter: str | None) -> dict[str, object]:
    """The body of an ``/encode`` request."""
    body: dict[str, object] = {"text": list(texts)}
    return body if adapter is None else {**body, "lora_path": adapter}


def decode_embeddings(reply: object, count: int, *, dim: int | None) -> EmbeddingBatch:
    """Read the answer to an ``/encode`` request of ``count`` texts.

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
    rows = [item.get("embedding") if isinstance(item, Mapping) else None for item in items]
    versions = {version for item in items if (version := version_of(item)) is not None}
    if len(versions) > 1:
        raise PolicyProtocolError(f"one answer was made with several versions of the weights: {sorted(versions)}")
    return EmbeddingBatch(vectors=vectors_of(rows, dim=dim), weight_version=next(iter(versions), None))


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


def version_of(item: object) -> str | None:
    """The version of the weights that an object of an answer was made with."""
    match item:
        case {"meta_info": {"weight_version": str(version)}}:
            return version
        case _:
            return None


def norm(vector: array[float]) -> float:
    """Euclidean length."""
    return math.sqrt(_dot(vector, vector))


def cosine(left: array[float], right: array[float]) -> float:
    """The cosine of the angle between two vectors that are not zero."""
    return _dot(left, right) / (norm(left) * norm(right))


def _dot(left: array[float], right: array[float]) -> float:
    return math.fsum(x * y for x, y in zip(left, right, strict=True))


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
