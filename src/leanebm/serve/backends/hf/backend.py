"""The Hugging Face backend: a causal language model from a local folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self, final

import attrs

from leanebm._extras import extra_needed
from leanebm._shown import named_repr
from leanebm.errors import ConfigError, LeanEbmError, PolicyBadRequest, PolicyError
from leanebm.serve.backends.base import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    EncodeDescription,
    Prompt,
    SamplingParams,
)
from leanebm.serve.backends.hf._intake import Intake
from leanebm.serve.backends.hf._scheduler import Limits, ModelThread, Scheduler
from leanebm.serve.backends.hf.config import HfConfig
from leanebm.serve.backends.hf.folder import check_paths

if TYPE_CHECKING:
    from leanebm.serve.backends.hf._language_model import LanguageModel

_log = logging.getLogger(__name__)


@attrs.frozen
class _Running:
    """What exists inside the backend's ``async with``."""

    thread: ModelThread
    model: LanguageModel
    intake: Intake
    scheduler: Scheduler


@final
class HfBackend(Backend):
    """Samples from, and encodes with, a causal language model that transformers can load.

    Requests of any number of clients share the model: new ones join between two steps, and a
    prompt is read once for all its samples. With a ``sampling_seed`` a prompt's samples depend on the
    prompt, the parameters and the seed, not on who shares the batch, up to the rounding of the number
    format. Embeddings are the mean of the last hidden state over a text's tokens, in float32.

    All of the model's work is done in one thread of its own. The libraries of the ``serve`` extra are
    imported when the backend is entered.
    """

    def __init__(self, config: HfConfig) -> None:
        self._config = config
        self._running: _Running | None = None
        self._resources = AsyncExitStack()

    __repr__ = named_repr("_config")

    async def __aenter__(self) -> Self:
        """Load the model.

        Raises:
            ConfigError: a library, a file or a device is missing, or the model cannot be served.
        """
        check_paths(self._config)
        async with AsyncExitStack() as resources:
            thread = await resources.enter_async_context(ModelThread())
            running = await self._load(thread)
            tasks = await resources.enter_async_context(asyncio.TaskGroup())
            resources.callback(tasks.create_task(running.scheduler.run()).cancel)
            self._resources, self._running = resources.pop_all(), running
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop between two steps and let the model go."""
        self._running = None
        await self._resources.aclose()

    async def _load(self, thread: ModelThread) -> _Running:
        def load() -> _Running:
            with extra_needed("serve", "a language model"):  # here, because these imports take seconds
                from leanebm.serve.backends.hf._language_model import LanguageModel
                from leanebm.serve.backends.hf._running_batch import RunningBatch

            model = LanguageModel.load(self._config)
            config = self._config
            limits = Limits(
                max_sequences=config.max_sequences,
                max_batch_tokens=config.max_batch_tokens,
                max_cache_tokens=config.max_cache_tokens or model.free_cache_tokens(),
            )
            scheduler = Scheduler(thread, model, limits, new_batch=lambda adapter: RunningBatch(model, adapter))
            _log.info("%s has a context of %d tokens; %s", model.path, model.context, limits)
            return _Running(thread, model, Intake(model, limits, seed=config.seed), scheduler)

        return await thread.call(load)

    # --- what it is ---

    @property
    def _now(self) -> _Running:
        if self._running is None:
            raise LeanEbmError("the Hugging Face backend was used outside its `async with`")
        return self._running

    @property
    def description(self) -> BackendDescription:
        """The model's folder, the version of its weights, and how its embeddings are made."""
        model = self._now.model
        return BackendDescription(
            model_path=model.path,
            tokenizer_path=self._config.model,
            weight_version=model.weight_version,
            encode=EncodeDescription(
                pooling="mean",
                layer="last",
                normalized=False,
                include_bos=model.tokenizer.includes_bos,
                dim=model.dim,
                dtype=model.dtype,
                max_batch=self._config.max_sequences,
            ),
        )

    @property
    def adapters(self) -> Mapping[str, str]:
        """Every loaded adapter with a hash of its weights."""
        return dict(self._now.model.adapters.versions)

    @property
    def prompt_formats(self) -> Mapping[str, str]:
        """How states were shown in training to the model and to each adapter, of those whose folders say so."""
        model = self._now.model
        own = {} if model.prompt_format is None else {"": model.prompt_format}
        return own | dict(model.adapters.prompt_formats)

    @property
    def statistics(self) -> Mapping[str, int]:
        """Sequences that run, prompts and texts that wait, steps taken."""
        return self._now.scheduler.statistics

    # --- sampling and encoding ---

    async def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, adapter: str | None = None
    ) -> Sequence[Sequence[Completion]]:
        """``params.n`` samples of each prompt.

        Raises:
            PolicyBadRequest: a token id or ``n`` is out of range, or the adapter is not loaded.
            PromptTooLong: a prompt with its longest completion does not fit the context.
            PolicyError: the model failed.
        """
        self._require_adapter(adapter)
        jobs = await self._now.intake.prompt_jobs(prompts, params, adapter)
        await self._now.scheduler.complete(jobs)
        return [[sample.completion() for sample in job.samples] for job in jobs]

    async def encode(self, prompts: Sequence[Prompt], *, adapter: str | None = None) -> Sequence[Embedding]:
        """The mean of the last hidden state over each text's tokens.

        Raises:
            PolicyBadRequest: a text is empty, a token id is out of range, or the adapter is not loaded.
            PromptTooLong: a text does not fit the context.
            EncoderError: an embedding is zero or not finite.
            PolicyError: the model failed.
        """
        self._require_adapter(adapter)
        jobs = await self._now.intake.text_jobs(prompts, adapter)
        vectors = await self._now.scheduler.embed(jobs)
        return [
            Embedding(vector=vector, prompt_tokens=len(job.tokens)) for job, vector in zip(jobs, vectors, strict=True)
        ]

    async def flush_cache(self) -> None:
        """Nothing is kept between requests."""

    async def check_health(self) -> bool:
        """Whether one token can be generated within ``health_timeout_s``, whatever else runs."""
        job = self._now.intake.probe()
        try:
            async with asyncio.timeout(self._config.health_timeout_s):
                await self._now.scheduler.complete([job])
            job.samples[0].completion()
        except TimeoutError:
            _log.warning("the model gave no token in %g s", self._config.health_timeout_s)
            return False
        except PolicyError as error:
            _log.warning("the model is not healthy: %s", error)
            return False
        return True

    # --- adapters and weights ---

    async def load_adapter(self, name: str, path: str) -> None:
        """Read a LoRA adapter; running requests go on.

        Raises:
            PolicyBadRequest: there is one of that name already, or the folder holds none for this model.
        """
        await self._administer(lambda: self._now.model.load_adapter(name, Path(path)))

    async def unload_adapter(self, name: str) -> None:
        """Forget an adapter.

        Raises:
            PolicyBadRequest: there is none of that name.
        """
        await self._administer(lambda: self._now.model.adapters.unload(name))

    async def update_weights(self, path: str, *, weight_version: str | None = None) -> None:
        """Take the weights of another checkpoint of the same model.

        Raises:
            PolicyBadRequest: they cannot be read or are of another model; the old ones stay.
        """
        await self._administer(lambda: self._now.model.update(path, weight_version))

    async def _administer(self, work: Callable[[], None]) -> None:
        try:
            await self._now.thread.call(work)
        except ConfigError as error:
            raise PolicyBadRequest(str(error)) from error
