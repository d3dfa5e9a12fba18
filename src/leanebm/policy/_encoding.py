"""Embeddings as a caller sees them: trusted, remembered, and asked for in batches."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Final, Self, final

import attrs

from leanebm.core import EncoderIdentity
from leanebm.errors import ConfigError, EncoderError
from leanebm.policy._embedder import Embedder
from leanebm.policy._embedding_store import EmbeddingStore
from leanebm.policy._embeddings import check_encoder
from leanebm.policy._encoders import ENCODERS
from leanebm.policy._endpoint import Endpoint
from leanebm.policy._versions import WEIGHTS, adapter_called
from leanebm.policy._weights import ModelWatch
from leanebm.policy.config import EncoderConfig
from leanebm.policy.statistics import RequestMeter

_MOST_INTRODUCTIONS: Final = 3
"""Times an encoder may change its weights while it introduces itself."""


@final
class Encoding:
    """One encoder, behind its checks and its caches. Enter it with ``async with``.

    Before its first vector is handed out, an encoder says what it is, must be what is required, and
    must pass the self-test; and again whenever its weights have changed, or it has made a bad batch.
    """

    def __init__(self, config: EncoderConfig, endpoint: Endpoint, watch: ModelWatch, *, meter: RequestMeter) -> None:
        self._config = config
        self._endpoint = endpoint
        self._watch = watch
        self._meter = meter
        self._encoder = ENCODERS[config.backend](config, endpoint, watch)
        self._identity: EncoderIdentity | None = None
        self._introducing = asyncio.Lock()
        self._introductions = 0
        self._may_batch = True
        self._embedder: Embedder | None = None
        self._store: EmbeddingStore | None = None
        for what in (WEIGHTS, adapter_called(config.adapter)):
            watch.on_change[what].append(self.forget)
        self._resources = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the cache on disk, if there is one; the server need not be up.

        Raises:
            ConfigError: the cache cannot be opened.
        """
        config = self._config
        async with AsyncExitStack() as resources:
            if config.cache_file is not None:
                store = EmbeddingStore(config.cache_file, max_mib=config.cache_file_mib)
                self._store = await resources.enter_async_context(store)
            tasks = await resources.enter_async_context(asyncio.TaskGroup())
            self._embedder = Embedder(
                self._vectors,
                tasks,
                meter=self._meter,
                batch_size=config.batch_size,
                linger_s=config.linger_s,
                cache_entries=config.cache_entries,
                on_bad_batch=self._distrust,
            )
            resources.callback(self._embedder.close)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Give up what is under way."""
        self._embedder = None
        await self._resources.aclose()

    async def identity(self) -> EncoderIdentity:
        """Which encoder this is, its width included.

        Raises:
            ConfigError: it is not what is configured and required.
            EncoderError: it contradicts itself.
            PolicyError: the server could not answer.
        """
        async with self._introducing:
            if self._identity is None:
                self._identity = await self._introduce()
            return self._identity

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        """One vector per text, in order.

        Raises:
            ConfigError: the encoder is not what is configured and required.
            EncoderError: the encoder contradicts itself, or a vector is unusable.
            PolicyError: the server could not answer.
        """
        if self._embedder is None:
            raise RuntimeError("the policy client was used outside its `async with`")
        await self.identity()
        return await self._embedder.encode(texts)

    def forget(self) -> None:
        """The weights or the adapter have changed: nothing that is known of the encoder holds any more."""
        self._identity = None
        self._introductions += 1
        if self._embedder is not None:
            self._embedder.forget()

    async def _introduce(self) -> EncoderIdentity:
        for _ in range(_MOST_INTRODUCTIONS):
            seen = self._introductions
            described = await self._encoder.describe()
            self._require(described)
            max_batch = await self._encoder.max_batch() if self._may_batch else 1
            dim = await check_encoder(
                partial(self._ask, dim=described.dim),
                url=self._endpoint.url,
                max_batch=max_batch,
                is_normalized=described.is_normalized,
            )
            if seen == self._introductions:
                if self._embedder is not None:
                    self._embedder.limit_batch(max_batch)
                return attrs.evolve(described, dim=dim)
        raise EncoderError(
            f"the weights behind {self._endpoint.url} change faster than an encoder can be checked",
            url=self._endpoint.url,
        )

    def _require(self, described: EncoderIdentity) -> None:
        if not (self._endpoint.fleet.is_one or self._endpoint.fleet.one_version):
            raise ConfigError(
                f"vectors of different weights must not meet, and those of {self._endpoint.url} may differ:",
                [
                    "have all make them with the same @ policy.one_version",
                    "or name an encoder of its own @ policy.encoder.url",
                ],
            )
        required = self._config.required_pooling
        if required not in (None, described.pooling):
            raise ConfigError(
                f"{self._endpoint.url} makes {described.pooling!r} embeddings, but {required!r} ones are required:",
                ["take a server with such an encoder, or say which ones will do @ policy.encoder.required_pooling"],
            )
        if self._store is not None and described.weights is None:
            raise ConfigError(
                f"{self._endpoint.url} does not say which weights it has, so that their embeddings cannot be kept:",
                ["say it for the server @ policy.encoder.weights", "or keep none @ policy.encoder.cache_file"],
            )

    async def _distrust(self) -> None:
        """A batch was unusable: look at the encoder once more, one text per request from now on."""
        self._may_batch = False
        self._identity = None
        await self.identity()

    async def _ask(self, texts: Sequence[str], *, dim: int | None) -> Sequence[array[float]]:
        batch = await self._encoder.encode(texts, dim=dim)
        self._watch.note(batch.versions)
        return batch.vectors

    async def _vectors(self, texts: Sequence[str]) -> Sequence[array[float]]:
        """The embedder's source: the cache on disk, and the server for the rest."""
        identity = await self.identity()
        known = await self._recall(identity, texts)
        missing = [text for text in texts if text not in known]
        if missing:
            seen = self._introductions
            made = dict(zip(missing, await self._ask(missing, dim=identity.dim), strict=True))
            if self._store is not None and seen == self._introductions:
                await self._store.put(identity.fingerprint, made)
            known |= made
        return [known[text] for text in texts]

    async def _recall(self, identity: EncoderIdentity, texts: Sequence[str]) -> dict[str, array[float]]:
        if self._store is None:
            return {}
        stored = await self._store.get(identity.fingerprint, texts)
        known = {text: vector for text, vector in stored.items() if len(vector) == identity.dim}
        self._meter.stored_texts += len(known)
        return known
