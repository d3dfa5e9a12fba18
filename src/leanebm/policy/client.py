"""The client of a policy server, and of the encoder beside it."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, Self, final

from leanebm._shown import named_repr
from leanebm.core import Candidate, EncoderIdentity, PolicyUse, ProofState
from leanebm.errors import ConfigError, PolicyUnavailable
from leanebm.policy._dialects import DIALECTS, Dialect
from leanebm.policy._encoding import Encoding
from leanebm.policy._endpoint import Endpoint, Sleep
from leanebm.policy._failure import Failure
from leanebm.policy._samples import SampleBatch, candidates_of
from leanebm.policy._weights import AdapterLoader, ModelWatch, introduce, load_adapter
from leanebm.policy.config import PolicyApi, PolicyClientConfig
from leanebm.policy.model_info import ModelInfo
from leanebm.policy.prompt import PromptFormat, prompt_format_of
from leanebm.policy.statistics import PolicyStatistics, RequestMeter
from leanebm.policy.truncation import truncate_state, truncate_text

_log = logging.getLogger(__name__)

_READY_POLL_S: Final = 1.0

_NOT_THERE: Final = (
    "tried for {:g} s. Start a server there, correct the address, or have it tried for longer: "
    "--patience, or connect_patience_s in the settings"
)

_NOT_READY: Final = (
    "still not healthy after {:g} s. Its own log says why; startup_deadline_s in the settings has it waited for longer"
)


@final
class PolicyClient:
    """Asks servers for tactics and for embeddings.

    A :class:`~leanebm.core.TacticPolicy`, and a :class:`~leanebm.core.StateEncoder` where a server
    makes embeddings.

    ::

        async with PolicyClient(PolicyClientConfig(url="http://127.0.0.1:30000")) as policy:
            await policy.wait_ready()
            candidates = await policy.propose(state, 16)

    A server that speaks SGLang's native API will do, such as ours, and an OpenAI-compatible one that gives
    log-probabilities: :class:`~leanebm.policy.PolicyApi`. Requests have deadlines and are
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
            rng: jitter of the pauses between retries, and seeds where the server wants one per sample.
        """
        self._config = config
        self._format = prompt_format or prompt_format_of(config.prompt_format, whole_proofs=config.whole_proofs)
        self._names_its_format = prompt_format is None
        self._sleep = sleep
        self._clock = clock
        self._meter = RequestMeter()
        self._rng = random_source = rng or random.Random()  # noqa: S311 - jitter and sampling, not secrets

        def endpoint(url: str, *adapters: str | None, one_version: bool = True, **asked: Any) -> Endpoint:
            return Endpoint(
                url,
                config,
                adapters=[name for name in adapters if name is not None],
                meter=self._meter,
                clock=clock,
                sleep=sleep,
                rng=random_source,
                introduce=partial(introduce, **asked),
                one_version=one_version,
            )

        watch = partial(ModelWatch, meter=self._meter, stop_on_change=config.stop_on_weight_change)
        is_one_server = config.encoder.url in (None, config.url)
        self._policy = endpoint(
            config.url,
            config.adapter,
            config.encoder.adapter if is_one_server else None,
            one_version=config.one_version,
            api=config.api,
            model=config.model,
        )
        self._watch = watch(self._policy, api=config.api, model=config.model, may_mix=not self.has_one_version)
        self._dialect: Dialect | None = None
        self._finding_out = asyncio.Lock()
        self._encoder = self._policy if is_one_server else endpoint(str(config.encoder.url), config.encoder.adapter)
        encoder_watch = self._watch if is_one_server else watch(self._encoder)
        self._encoding = Encoding(config.encoder, self._encoder, encoder_watch, meter=self._meter)
        self._resources = AsyncExitStack()

    __repr__ = named_repr("_config")

    async def __aenter__(self) -> Self:
        """Open the connection pools; the servers need not be up yet.

        Raises:
            ConfigError: the cache of embeddings cannot be opened.
        """
        async with AsyncExitStack() as resources:
            for endpoint in {self._policy, self._encoder}:
                await resources.enter_async_context(endpoint)
            await resources.enter_async_context(self._encoding)
            self._resources = resources.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Give up what is under way and close every connection."""
        if self._meter.requests:
            _log.info("%s: %s", self._policy.url, self.statistics())
        await self._resources.aclose()

    # --- tactics ---

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Sample tactics for the state's first goal, or proofs if the settings ask for whole ones.

        Fewer than ``n`` distinct candidates is normal: equal samples become one, and samples
        without a tactic, or with ``sorry``, are left out. ``samples_per_candidate`` draws more.

        Args:
            state: with at least one goal.
            n: candidates to ask for.

        Returns:
            Distinct candidates, ``n`` at most, the likeliest first.

        Raises:
            ConfigError: the server's API, found out by the first call, offers no model that could be asked.
            PromptTooLong: the state does not fit the model's context; it cannot be expanded.
            PolicyError: the server could not answer; nothing is known about the state.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if state.is_solved:
            return []
        dialect = await self._spoken()
        prompt = self._format.render(self._shortened(state))
        batch = await dialect.sample(prompt, n * self._config.samples_per_candidate)
        self._watch.note(batch.versions)
        if batch.made_by is not None:
            PolicyUse.current().weights.add(batch.made_by)
        return self._candidates(batch, n)

    async def _spoken(self) -> Dialect:
        """The server's API: as configured, or as its first answer shows."""
        async with self._finding_out:
            if self._dialect is None:
                api = self._config.api
                if api is PolicyApi.AUTO:
                    api = (await self._watch.info()).api or PolicyApi.SGLANG
                self._dialect = DIALECTS[api](
                    self._config, self._policy, self._watch, stop=self._format.stop, rng=self._rng
                )
            return self._dialect

    def _shortened(self, state: ProofState) -> ProofState:
        shown = truncate_state(state, self._config.max_state_chars)
        self._meter.truncated_states += shown is not state
        return shown

    def _candidates(self, batch: SampleBatch, most: int) -> list[Candidate]:
        found, filtered = candidates_of(batch, self._format)
        candidates, meter = found[:most], self._meter
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

    async def identity(self) -> EncoderIdentity:
        """Which encoder makes the embeddings, once it has shown that it agrees with itself.

        Raises:
            ConfigError: the encoder is not what is configured and required.
            EncoderError: the encoder contradicts itself.
            PolicyError: the server could not answer.
        """
        return await self._encoding.identity()

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        """Embed texts, one float32 vector each, in order.

        Texts asked for at about the same time share requests, equal ones are asked for once, and
        recent answers are remembered until the server's weights change. A text that is too long is
        shortened as for a prompt.

        Raises:
            ConfigError: the encoder is not what is configured and required.
            EncoderError: a vector is of the wrong width, all zero or not finite, or the encoder
                contradicts itself.
            PolicyError: the server could not answer.
        """
        shown = [truncate_text(text, self._config.max_state_chars) for text in texts]
        self._meter.truncated_states += sum(one is not other for one, other in zip(texts, shown, strict=True))
        return await self._encoding.encode(shown)

    # --- the server ---

    async def wait_ready(self, tell: Callable[[str], None] = lambda _: None, *, tactics: bool = True) -> ModelInfo:
        """Wait until the servers are healthy, then check that they are the right kind.

        Args:
            tell: is told why a server is waited for, and for how long; once per reason.
            tactics: whether tactics will be asked for, so that the policy server has to be able to make them.

        Returns:
            What the policy server says about its model.

        Raises:
            PolicyUnavailable: nothing could be connected to for ``connect_patience_s``, or a server that answers
                is still not healthy after ``startup_deadline_s``.
            PolicyUnauthorized: a server wants another key.
            ConfigError: a server cannot do what it is configured for.
            EncoderError: the encoder contradicts itself (asked here only if it is another server).
        """
        await self._wait_healthy(self._policy, tell)
        if tactics:
            await (await self._spoken()).check()
        info = await self.model_info()
        if tactics:
            self._check_format(info)
        if self._encoder is not self._policy:
            await self._wait_healthy(self._encoder, tell)
            await self.identity()
        return info

    async def model_info(self) -> ModelInfo:
        """What the policy server says about its model; asked once, and again when weights change.

        Raises:
            PolicyError: the server could not answer.
        """
        return await self._watch.info()

    def _check_format(self, info: ModelInfo) -> None:
        """See that states are shown as they were in training, where the server says how that was."""
        config = self._config
        trained_on = info.prompt_formats.get(config.adapter or "", config.prompt_format)
        if self._names_its_format and trained_on != config.prompt_format:
            who = "the model" if config.adapter is None else f"the adapter {config.adapter!r}"
            raise ConfigError(
                f"{who} at {config.url} was fine-tuned on states in another form than it is to be shown:",
                [f"{trained_on}, not {config.prompt_format} @ --prompt-format"],
            )

    async def load_adapter(self, name: str, path: str) -> None:
        """Have the policy server load a LoRA adapter; what it is doing goes on meanwhile.

        Args:
            name: what requests will call it; a new one, for a name stands for one file.
            path: where the *server* finds its folder.

        Raises:
            PolicyBadRequest: it has one of that name already, or the folder holds none that fits its model.
            PolicyError: the server could not answer.
        """
        for server in await self._policy.present():
            await load_adapter(self._policy, server, name, path)

    async def ensure_adapter(self, name: str, path: str) -> None:
        """Have each policy server load a LoRA adapter, unless it has one of that name.

        Args:
            name: what requests will call it.
            path: where the *server* finds its folder.

        Raises:
            PolicyBadRequest: the folder holds none that fits its model.
            PolicyError: the server could not answer.
        """
        await AdapterLoader(self._policy, name, path).load()

    @property
    def has_one_version(self) -> bool:
        """Whether all tactics come from the same weights, as far as the servers say: of one, or of several alike."""
        return self._policy.fleet.is_one or self._policy.fleet.one_version

    def statistics(self) -> PolicyStatistics:
        """What this client has done so far."""
        endpoints = {self._policy, self._encoder}
        servers = [server for endpoint in endpoints for server in endpoint.fleet.servers]
        return PolicyStatistics(
            **self._meter.counts(),
            in_flight=sum(server.limit.in_flight for server in servers),
            waiting=sum(server.limit.waiting for server in servers),
            concurrency_limit=sum(server.limit.limit for server in self._policy.fleet.servers),
            is_circuit_open=any(not endpoint.fleet.asked for endpoint in endpoints),
            latency_p50_s=self._meter.latency_quantile_s(0.5),
            latency_p95_s=self._meter.latency_quantile_s(0.95),
        )

    async def _wait_healthy(self, endpoint: Endpoint, tell: Callable[[str], None]) -> None:
        config = self._config
        started_s = unconnected_since_s = self._clock()
        told: Failure | None = None
        who = "" if endpoint is self._policy else "the encoder's server: "
        while (trouble := await endpoint.fleet.meet()) is not None:
            now_s = self._clock()
            if trouble.kind is Failure.CONNECT:
                since_s, patience_s, advice = unconnected_since_s, config.connect_patience_s, _NOT_THERE
            else:
                since_s, patience_s, advice = started_s, config.startup_deadline_s, _NOT_READY
                unconnected_since_s = now_s
            if trouble.kind is not told:
                told = trouble.kind
                tell(f"{who}{trouble.error}; it is tried for {patience_s:g} s")
            if now_s - since_s >= patience_s:
                raise PolicyUnavailable(f"{who}{trouble.error}; {advice.format(patience_s)}", url=endpoint.url)
            await self._sleep(_READY_POLL_S)
