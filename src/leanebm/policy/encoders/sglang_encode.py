"""Embeddings from ``/encode`` of a stock SGLang embedding server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError
from leanebm.policy._embeddings import EmbeddingBatch
from leanebm.policy.encoders.base import BatchEncoder

__all__ = ["SglangEncode"]


@final
class SglangEncode(BatchEncoder):
    """Hidden state of the *last* token, scaled to length 1: what SGLang does for Llama's family.

    The server is started with ``--is-embedding`` and cannot sample; tactics come from a second one with
    the same weights. Set ``required_pooling = "last"``.
    """

    async def describe(self) -> EncoderIdentity:
        """What SGLang is known to do; the server itself does not say.

        Raises:
            ConfigError: the server samples, so that its ``/encode`` refuses; or it is one of ours.
            PolicyError: the server could not answer.
        """
        info = await self.watch.info()
        self._must_not_be_ours(info)
        if info.is_generation:
            raise ConfigError(
                f"{self.endpoint.url} samples, and then makes no embeddings:",
                ["give the address of one started with --is-embedding @ policy.encoder.url"],
            )
        return EncoderIdentity(
            model=info.model_path,
            weights=info.weight_version or self.config.weights,
            adapter=self.config.adapter,
            pooling="last",
            layer="last",
            is_normalized=True,
        )

    async def encode(self, texts: Sequence[str], *, dim: int | None) -> EmbeddingBatch:
        """One ``/encode`` request."""
        return await self._post_encode(texts, dim=dim)
