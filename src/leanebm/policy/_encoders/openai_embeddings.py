"""Embeddings from ``/v1/embeddings`` of any server that has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, final

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError, PolicyBadRequest, PolicyProtocolError
from leanebm.policy._embeddings import EmbeddingBatch, vectors_of
from leanebm.policy._encoders.base import BatchEncoder

_UNIT_TOLERANCE: Final = 1e-3


@final
class OpenAIEmbeddings(BatchEncoder):
    """The widest spread interface, and the one that says least.

    It names a model, but neither its weights nor how it pools: ``encoder.pooling`` is yours to know.
    Whether vectors have length 1 is seen from the first. New weights under an old name go unnoticed.
    """

    _model: str | None = None

    async def describe(self) -> EncoderIdentity:
        """The model's name, what is configured, and what one vector shows.

        Raises:
            ConfigError: the server lists no models and none is configured.
            PolicyError: the server could not answer.
        """
        self._model = self.config.model or await self._first_listed()
        (probe,) = (await self.encode(["⊢ True"], dim=None)).vectors
        return EncoderIdentity(
            model=self._model,
            weights=self.config.weights,
            pooling=str(self.config.pooling),
            is_normalized=math.isclose(math.hypot(*probe), 1.0, abs_tol=_UNIT_TOLERANCE),
            dim=len(probe),
        )

    async def encode(self, texts: Sequence[str], *, dim: int | None) -> EmbeddingBatch:
        """One ``/v1/embeddings`` request."""
        return await self.endpoint.post(
            "/v1/embeddings",
            {"model": self._model, "input": list(texts), "encoding_format": "float"},
            weight=len(texts),
            decode=lambda reply: _decode(reply, len(texts), dim=dim),
            decode_in_thread=len(texts) > 1,
        )

    async def _first_listed(self) -> str:
        try:
            listed = await self.endpoint.get("/v1/models")
        except PolicyBadRequest as refusal:
            listed = str(refusal)
        match listed:
            case {"data": [{"id": str(model)}, *_]}:
                return model
            case _:
                raise ConfigError(
                    f"{self.endpoint.url} does not list its models:",
                    ["name the one to ask for @ policy.encoder.model"],
                )


def _decode(reply: object, count: int, *, dim: int | None) -> EmbeddingBatch:
    """Put the answer's vectors into the order of the request, by the index that each one carries."""
    items = reply.get("data") if isinstance(reply, Mapping) else None
    if not isinstance(items, list) or len(items) != count:
        raise PolicyProtocolError(f"the server did not answer with the {count} embeddings it was asked for")
    rows: dict[object, object] = {
        item.get("index"): item.get("embedding") for item in items if isinstance(item, Mapping)
    }
    if rows.keys() != set(range(count)):
        raise PolicyProtocolError(f"the embeddings' indices are not 0 to {count - 1}")
    return EmbeddingBatch(vectors=vectors_of([rows[index] for index in range(count)], dim=dim), versions={})
