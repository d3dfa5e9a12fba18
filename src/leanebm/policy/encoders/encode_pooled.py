"""Embeddings from ``/encode`` of leanebm's own contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import attrs

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError
from leanebm.policy._embeddings import EmbeddingBatch
from leanebm.policy.encoders.base import BatchEncoder
from leanebm.policy.model_info import ModelInfo

__all__ = ["EncodePooled"]


@final
class EncodePooled(BatchEncoder):
    """The server pools, and its ``/model_info`` says how, so nothing has to be taken on trust."""

    async def describe(self) -> EncoderIdentity:
        """What ``/model_info`` says under ``leanebm.encode``.

        Raises:
            ConfigError: it says nothing there.
            PolicyError: the server could not answer.
        """
        info = await self.watch.info()
        if info.encoder is None:
            advice = (
                "a stock embedding server needs 'sglang_encode'"
                if info.is_generation is False
                else "give the address of a server with an encoder, or choose another backend"
            )
            raise ConfigError(
                f"{self.endpoint.url} does not say that it makes embeddings, and how:",
                [f"{advice} @ policy.encoder.backend"],
            )
        return attrs.evolve(
            info.encoder,
            weights=info.encoder.weights or self.config.weights,
            adapter=info.encoder.adapter or self._adapter(info),
        )

    async def encode(self, texts: Sequence[str], *, dim: int | None) -> EmbeddingBatch:
        """One ``/encode`` request."""
        return await self._post_encode(texts, dim=dim)

    async def max_batch(self) -> int:
        """As many as the server says it takes, and no more than configured."""
        most = (await self.watch.info()).max_encode_batch
        return min(self.config.batch_size, most or self.config.batch_size)

    def _adapter(self, info: ModelInfo) -> str | None:
        """The adapter's name, with a hash of its weights where the server says it: names are used again."""
        name = self.config.adapter
        weights = info.adapters.get(name) if name is not None else None
        return name if weights is None else f"{name}@{weights}"
