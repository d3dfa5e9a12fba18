"""What a server says about the model behind it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Self, TypeVar

import attrs

__all__ = ["EncoderInfo", "ModelInfo"]

_T = TypeVar("_T")


@attrs.frozen(kw_only=True)
class EncoderInfo:
    """How the server's embeddings are made."""

    pooling: str
    """``mean`` over the tokens, or ``last`` token."""

    layer: str | None = None
    is_normalized: bool
    """Whether vectors come with length 1."""

    dim: int | None = None
    """Width of a vector; ``None`` where the server does not say."""

    max_batch: int | None = None


@attrs.frozen(kw_only=True)
class ModelInfo:
    """Everything is ``None`` where the server does not say."""

    model_path: str | None = None
    weight_version: str | None = None
    is_generation: bool | None = None
    """``False`` for a server that only makes embeddings."""

    contract: int | None = None
    """Version of leanebm's own contract; ``None`` for a stock server."""

    encoder: EncoderInfo | None = None
    """``None`` for a server without embeddings."""

    @property
    def fingerprint(self) -> str:
        """A hash of all of it: embeddings under different fingerprints must not be mixed."""
        return hashlib.sha256(json.dumps(attrs.asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def from_reply(cls, reply: object) -> Self:
        """Read ``/model_info``; fields of an unexpected type count as not said."""
        said = reply if isinstance(reply, Mapping) else {}
        ours = said.get("leanebm")
        ours = ours if isinstance(ours, Mapping) else None
        is_generation = _as(bool, said.get("is_generation"))
        return cls(
            model_path=_as(str, said.get("model_path")),
            weight_version=_as(str, said.get("weight_version")),
            is_generation=is_generation,
            contract=_as(int, ours.get("contract")) if ours else None,
            encoder=_encoder(ours, is_generation=is_generation),
        )


def _encoder(ours: Mapping[str, object] | None, *, is_generation: bool | None) -> EncoderInfo | None:
    if ours is None:
        # A stock embedding server pools the last token and normalises; it does not say so.
        return EncoderInfo(pooling="last", is_normalized=True) if is_generation is False else None
    match ours.get("encode"):
        case {"pooling": str(pooling), **more}:
            return EncoderInfo(
                pooling=pooling,
                layer=_as(str, more.get("layer")),
                is_normalized=_as(bool, more.get("normalized")) or False,
                dim=_as(int, more.get("dim")),
                max_batch=_as(int, more.get("max_batch")),
            )
        case _:
            return None


def _as(kind: type[_T], value: object) -> _T | None:
    return value if isinstance(value, kind) else None
