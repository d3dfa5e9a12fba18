"""The client of a policy server, and of the encoder beside it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final, Self, final

from leanebm.core import Candidate, ProofState
from leanebm.errors import ConfigError, PolicyError, PolicyUnavailable
from leanebm.policy._embedder import Embedder
from leanebm.policy._embeddings import EmbeddingBatch, decode_embeddings
from leanebm.policy._endpoint import Endpoint, Sleep
from leanebm.policy._failure import Failure, NotOffered
from leanebm.policy._meter import Meter
from leanebm.policy._samples import SampleBatch, candidates_of, decode_samples
from leanebm.policy._self_test import check_encoder
from leanebm.policy.config import PolicyClientConfig
from leanebm.policy.model_info import ModelInfo
from leanebm.policy.prompt import PROMPT_FORMATS, PromptFormat
from leanebm.policy.statistics import PolicyStatistics

__all__ = ["PolicyClient"]

_log = logging.getLogger(__name__)

_READY_POLL_S: Final = 1.0


@final
class PolicyClient:
    """Asks a server for tactics and for embeddings; a :class:`~leanebm.core.TacticPolicy`.

    ::

        async with PolicyClient(PolicyClientConfig(url="http://127.0.0.1:30000")) as policy:
            await policy.wait_ready()
            candidates = await policy.propose(state, 16)

    Any server that speaks SGLang's native API will do; ours is one. Requests have deadlines and are
    retried with jitter; a server that says it is full is asked for less at once, one that keeps
    failing is left alone for a while. Cancelling a call closes its connection.
    """

    def __init__(
        self,
        config: PolicyClientConfig,
        *,
        prompt_format: PromptFormat | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """Nothing is opened yet.

        Args:
            config: which server, and how patiently.
            prompt_format: overrides ``config.prompt_format`` with one of your own.
            clock: seconds, monotonic.
            sleep: waits that many seconds.
            rng: jitter of the pauses between retries.
        """
        self._config = config
        self._format = prompt_format or PROMPT_FORMATS[config.prompt_format]
        self._sleep = sleep
        self._clock = clock
        self._meter = Meter()
        random_source = rng or random.Random()  # noqa: S311 - jitter, not secrets

        def endpoint(url: str) -> Endpoint:
            return Endpoint(url, config, meter=self._meter, clock=clock, sleep=sleep, rng=random_source)

        self._policy = endpoint(config.url)
        self._encoder = endpoint(config.encode_url) if config.encode_url not in (None, config.url) else self._policy
        self._embedder: Embedder | None = None
        self._resources = AsyncExitStack()
        self._infos: dict[str, ModelInfo] = {}
        self._asking_info = asyncio.Lock()
        self._weights: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Open the connection pools; the server need not be up yet."""
        async with AsyncExitStack() as resources:
            for endpoint in {self._policy, self._encoder}:
                await resources.enter_async_context(endpoint)
            tasks = await resources.enter_async_context(asyncio.TaskGroup())
            self._embedder = Embedder(
                self._encode_batch,
                tasks,
                meter=self._meter,
                batch_size=self._config.encode_batch,
                linger_s=self._config.encode_linger_s,
                cache_entries=self._config.embedding_cache_entries,
            )
            resources.callback(self._embedder.close)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Give up what is under way and close every connection."""
        self._embedder = None
        await self._resources.aclose()

    # --- tactics ---

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Sample ``n`` tactics for the state's first goal.

        Fewer than ``n`` distinct candidates is normal: equal samples become one, and samples
        without a tactic, or with ``sorry``, are left out.

        Args:
            state: with at least one goal.
            n: samples to ask for.

        Returns:
            Distinct candidates, the likeliest first.

        Raises:
            PromptTooLong: the state does not fit the model's context; it cannot be expanded.
            PolicyError: the server could not answer; nothing is known about the state.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if state.is_solved:
            return []
        body = self._generate_body(self._format.render(state), n)
        batch = await self._policy.post("/generate", body, weight=n, decode=lambda reply: decode_samples(reply, n))
        self._note_weights(self._policy, batch.weight_version)
        return self._candidates(batch)

    def _generate_body(self, prompt: str, n: int) -> dict[str, object]:
        config = self._config
        sampling: dict[str, object] = {
            "n": n,
            "temperature": config.temperature,
            "top_p": config.top_p,
            "max_new_tokens": config.max_tactic_tokens,
            "stop": list(self._format.stop),
        }
        if config.sampling_seed is not None:
            sampling["sampling_seed"] = config.sampling_seed
        body: dict[str, object] = {
            "text": prompt,
            "sampling_params": sampling,
            "return_logprob": True,
            "logprob_start_len": -1,
            "top_logprobs_num": 0,
            "return_text_in_logprobs": True,  # tells which tokens a cut tactic consists of
            "stream": False,
        }
        return body if config.adapter is None else {**body, "lora_path": config.adapter}

    def _candidates(self, batch: SampleBatch) -> list[Candidate]:
        candidates, filtered = candidates_of(batch.samples, self._format)
        meter = self._meter
        meter.proposals += 1
        meter.samples += len(batch.samples)
        meter.candidates += len(candidates)
        meter.dropped_samples += batch.dropped
        meter.filtered_samples += filtered
        if batch.token_count_mismatches and not meter.token_count_mismatches:
            _log.warning("the server's completion_tokens and its log-probabilities disagree in number; said once")
        meter.token_count_mismatches += batch.token_count_mismatches
        return candidates

    # --- embeddings ---

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        """Embed texts, one float32 vector each, in order.

        Texts asked for at about the same time share requests, equal ones are asked for once, and
        recent answers are remembered until the server's weights change.

        Raises:
            ConfigError: the server pools otherwise than ``required_pooling``.
            EncoderError: a vector is of the wrong width, all zero or not finite.
            PolicyError: the server could not answer.
        """
        if self._embedder is None:
            raise RuntimeError("the policy client was used outside its `async with`")
        self._require_pooling(await self._info(self._encoder))
        return await self._embedder.encode(texts)

    async def _encode_batch(self, texts: Sequence[str]) -> Sequence[array[float]]:
        info = await self._info(self._encoder)
        dim = info.encoder.dim if info.encoder else None

        def decode(reply: object) -> EmbeddingBatch:
            return decode_embeddings(reply, len(texts), dim=dim)

        batch = await self._encoder.post("/encode", {"text": list(texts)}, weight=len(texts), decode=decode)
        self._note_weights(self._encoder, batch.weight_version)
        return batch.vectors

    def _require_pooling(self, info: ModelInfo) -> None:
        required = self._config.required_pooling
        if required is None:
            return
        found = info.encoder.pooling if info.encoder else None
        if found != required:
            says = f"makes {found!r} embeddings" if found else "does not say that it makes embeddings"
            raise ConfigError(
                f"{self._encoder.url} {says}, but {required!r} pooling is required: "
                "give the address of a server with such an encoder, or set required_pooling"
            )

    # --- the server ---

    async def wait_ready(self) -> ModelInfo:
        """Wait until the servers are healthy, then check that they are the right kind.

        Returns:
            What the policy server says about its model.

        Raises:
            PolicyUnavailable: a server is still not healthy after ``startup_deadline_s``.
            ConfigError: a server cannot do what it is configured for.
            EncoderError: the encoder contradicts itself (only with an ``encode_url``).
        """
        await self._wait_healthy(self._policy)
        info = await self.model_info()
        if info.is_generation is False:
            raise ConfigError(f"{self._policy.url} only makes embeddings: give the address of a server that generates")
        if self._config.encode_url is not None:
            await self._wait_healthy(self._encoder)
            self._require_pooling(await self._info(self._encoder))
            await check_encoder(self._encode_batch, url=self._encoder.url)
        return info

    async def model_info(self) -> ModelInfo:
        """What the policy server says about its model; asked once, and again when weights change.

        Raises:
            PolicyError: the server could not answer.
        """
        return await self._info(self._policy)

    def statistics(self) -> PolicyStatistics:
        """What this client has done so far."""
        meter = self._meter
        endpoints = {self._policy, self._encoder}
        return PolicyStatistics(
            requests=meter.requests,
            retries=meter.retries,
            overloads=meter.failures[Failure.OVERLOADED],
            failures=meter.failures.total(),
            proposals=meter.proposals,
            samples=meter.samples,
            candidates=meter.candidates,
            dropped_samples=meter.dropped_samples,
            filtered_samples=meter.filtered_samples,
            token_count_mismatches=meter.token_count_mismatches,
            texts=meter.texts,
            cached_texts=meter.cached_texts,
            shared_texts=meter.shared_texts,
            weight_changes=meter.weight_changes,
            in_flight=sum(endpoint.limit.in_flight for endpoint in endpoints),
            waiting=sum(endpoint.limit.waiting for endpoint in endpoints),
            concurrency_limit=self._policy.limit.limit,
            is_circuit_open=any(endpoint.breaker.is_open for endpoint in endpoints),
            latency_p50_s=meter.latency_quantile_s(0.5),
            latency_p95_s=meter.latency_quantile_s(0.95),
        )

    async def _wait_healthy(self, endpoint: Endpoint) -> None:
        deadline = self._clock() + self._config.startup_deadline_s
        while not await endpoint.is_healthy():
            if self._clock() >= deadline:
                raise PolicyUnavailable(
                    f"{endpoint.url} is not healthy after {self._config.startup_deadline_s:g} s: is it running?",
                    url=endpoint.url,
                )
            await self._sleep(_READY_POLL_S)

    async def _info(self, endpoint: Endpoint) -> ModelInfo:
        async with self._asking_info:
            if endpoint.url not in self._infos:
                self._infos[endpoint.url] = info = await _ask_info(endpoint)
                if info.weight_version is not None:
                    self._weights.setdefault(endpoint.url, info.weight_version)
            return self._infos[endpoint.url]

    def _note_weights(self, endpoint: Endpoint, version: str | None) -> None:
        before = self._weights.get(endpoint.url)
        if version is None or version == before:
            return
        self._weights[endpoint.url] = version
        if before is None:
            return
        self._meter.weight_changes += 1
        self._infos.pop(endpoint.url, None)
        if self._embedder is not None:
            self._embedder.forget()
        said = f"the weights behind {endpoint.url} changed from {before!r} to {version!r}"
        if self._config.stop_on_weight_change:
            raise PolicyError(f"{said}; this run must not mix them", url=endpoint.url)
        _log.warning("%s; embeddings made before are forgotten", said)


async def _ask_info(endpoint: Endpoint) -> ModelInfo:
    """Ask under the name of today, then under the old one; a server that knows neither says nothing."""
    for path in ("/model_info", "/get_model_info"):
        try:
            return ModelInfo.from_reply(await endpoint.get(path))
        except NotOffered:
            continue
    return ModelInfo()
