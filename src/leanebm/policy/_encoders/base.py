"""What a way to get embeddings from a server has to say and to do."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import final

import attrs

from leanebm._shown import named_repr
from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError
from leanebm.policy._embeddings import EmbeddingBatch, decode_embeddings, encode_body
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._weights import ModelWatch
from leanebm.policy.config import EncoderConfig, PolicyApi
from leanebm.policy.model_info import ModelInfo


class BatchEncoder(abc.ABC):
    """One interface of one server. Knows how to word requests and read answers, and nothing of caches."""

    def __init__(self, config: EncoderConfig, endpoint: Endpoint, watch: ModelWatch) -> None:
        self.config = config
        self.endpoint = endpoint
        self.watch = watch

    __repr__ = named_repr("config")

    @abc.abstractmethod
    async def describe(self) -> EncoderIdentity:
        """Which encoder this is, as far as the server and the configuration say.

        Raises:
            ConfigError: the server is of another kind.
            PolicyError: the server could not answer.
        """

    async def encode(self, texts: Sequence[str], *, dim: int | None) -> EmbeddingBatch:
        """One vector per text, in order; in one ``/encode`` request, which our contract and a stock SGLang word alike.

        Args:
            texts: at most ``max_batch``.
            dim: the width each vector must have; ``None`` demands only that they agree.

        Raises:
            EncoderError: a vector is missing, of another width, zero or not finite.
            PolicyError: the server could not answer.
        """
        return await self.endpoint.post(
            "/encode",
            encode_body(texts, self.config.adapter),
            weight=len(texts),
            decode=lambda reply: decode_embeddings(reply, len(texts), dim=dim, adapter=self.config.adapter),
            decode_in_thread=len(texts) > 1,
        )

    async def max_batch(self) -> int:
        """Most texts per request: what is configured, unless the server takes fewer."""
        return self.config.batch_size

    def _must_not_be_ours(self, info: ModelInfo) -> None:
        if info.contract is not None:
            raise ConfigError(
                f"{self.endpoint.url} is a leanebm server, which says itself how it pools:",
                ["use 'encode_pooled' @ policy.encoder.backend"],
            )


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
            raise ConfigError(
                f"{self.endpoint.url} does not say that it makes embeddings, and how:", [_where_to_turn(info)]
            )
        return attrs.evolve(
            info.encoder,
            weights=info.encoder.weights or self.config.weights,
            adapter=info.encoder.adapter or self._adapter(info),
        )

    async def max_batch(self) -> int:
        """As many as the server says it takes, and no more than configured."""
        most = (await self.watch.info()).max_encode_batch
        return min(self.config.batch_size, most or self.config.batch_size)

    def _adapter(self, info: ModelInfo) -> str | None:
        """The adapter's name, with a hash of its weights where the server says it: names are used again."""
        name = self.config.adapter
        weights = info.adapters.get(name) if name is not None else None
        return name if weights is None else f"{name}@{weights}"


def _where_to_turn(info: ModelInfo) -> str:
    if info.api is PolicyApi.OPENAI:
        return (
            "give the address of another server that does, such as a `leanebm serve --backend hf` with the same model: "
            "--encode-url @ policy.encoder.url"
        )
    if info.is_generation is False:
        return "a stock embedding server needs 'sglang_encode' @ policy.encoder.backend"
    return "give the address of a server with an encoder, or choose another backend @ policy.encoder.backend"
