"""Which prompts and texts the model works on next.

Continuous batching: the scheduler goes round and round; in each round it lets waiting prompts join
the running sequences, encodes one batch of texts, and takes one step in every running batch. So a
new request waits for one step, not for the completions before it, and neither kind of work starves
the other. All of the bookkeeping is on the event loop; only tensors are in the model's thread.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar, final

import attrs

from leanebm.errors import EncoderError, PolicyError
from leanebm.serve.backends.hf._sequence import SampledSequence

if TYPE_CHECKING:
    from leanebm.serve.backends.hf._language_model import LanguageModel
    from leanebm.serve.backends.hf._running_batch import RunningBatch


@attrs.frozen(kw_only=True)
class Limits:
    """How much the model works on at once; see :class:`~leanebm.serve.HfConfig`."""

    max_sequences: int
    max_batch_tokens: int
    max_cache_tokens: int


@attrs.frozen(eq=False, kw_only=True)
class PromptJob:
    """A prompt whose samples are wanted."""

    tokens: tuple[int, ...]
    samples: tuple[SampledSequence, ...]
    adapter: str | None
    max_new_tokens: int
    is_probe: bool = False
    """Whether it goes before all others, and beside a full batch."""

    answer: asyncio.Future[None] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def reach(self) -> int:
        """Tokens that each of its rows may grow to."""
        return len(self.tokens) + self.max_new_tokens


@attrs.frozen(eq=False, kw_only=True)
class TextJob:
    """A text whose embedding is wanted."""

    tokens: tuple[int, ...]
    adapter: str | None
    answer: asyncio.Future[array[float]] = attrs.field(factory=lambda: asyncio.get_running_loop().create_future())


@attrs.define(eq=False)
class _Group:
    """The prompts under way with one adapter; two adapters never share a forward pass."""

    batch: RunningBatch
    jobs: list[PromptJob] = attrs.field(factory=list)


@final
class Scheduler:
    """Serves jobs first come, first served, as many at a time as the limits allow."""

    def __init__(
        self,
        thread: ModelThread,
        model: LanguageModel,
        limits: Limits,
        *,
        new_batch: Callable[[str | None], RunningBatch],
    ) -> None:
        self._thread = thread
        self._model = model
        self._limits = limits
        self._new_batch = new_batch
        self._prompts: deque[PromptJob] = deque()
        self._texts: list[TextJob] = []
        self._groups: dict[str | None, _Group] = {}
        self._wake = asyncio.Event()
        self._steps = 0

    @property
    def statistics(self) -> Mapping[str, int]:
        """How many run and how many wait; ``steps`` counts passes that gave every running sequence a token."""
        return {
            "running_sequences": sum(len(job.samples) for group in self._groups.values() for job in group.jobs),
            "waiting_prompts": len(self._prompts),
            "waiting_texts": len(self._texts),
            "steps": self._steps,
        }

    async def complete(self, jobs: Sequence[PromptJob]) -> None:
        """Wait until every sample has ended. Cancelling this abandons them.

        Raises:
            PolicyError: the model failed.
        """
        for job in jobs:
            if job.is_probe:
                self._prompts.appendleft(job)
            else:
                self._prompts.append(job)
        await self._answers(jobs)

    async def embed(self, jobs: Sequence[TextJob]) -> list[array[float]]:
        """The embeddings, in order.

        Raises:
            EncoderError: one is zero or not finite.
            PolicyError: the model failed.
        """
        self._texts += jobs
        await self._answers(jobs)
        return [job.answer.result() for job in jobs]

    async def run(self) -> None:
        """Work until cancelled; jobs that are not done by then fail."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._prompts or self._texts or self._groups:
                    await self._join_prompts()
                    await self._encode_texts()
                    for adapter in list(self._groups):
                        await self._step(adapter)
        finally:
            running = [job for group in self._groups.values() for job in group.jobs]
            _fail([*running, *self._prompts, *self._texts], PolicyError("the model was closed"))

    async def _answers(self, jobs: Sequence[PromptJob | TextJob]) -> None:
        self._wake.set()
        try:
            await asyncio.gather(*(job.answer for job in jobs))
        finally:
            for job in jobs:
                job.answer.cancel()

    # --- completions ---

    async def _join_prompts(self) -> None:
        joining = self._next_prompts()
        if not joining:
            return
        adapter = joining[0].adapter
        group = self._groups.get(adapter)
        if group is None:
            group = self._groups[adapter] = _Group(self._new_batch(adapter))
        group.jobs += joining
        prompts = [job.tokens for job in joining]
        samples = [job.samples for job in joining]
        await self._advance(adapter, lambda: group.batch.join(prompts, samples))

    async def _step(self, adapter: str | None) -> None:
        self._steps += 1
        await self._advance(adapter, self._groups[adapter].batch.step)

    async def _advance(self, adapter: str | None, work: Callable[[], None]) -> None:
        """Do something with a running batch, then let go of the prompts that are done."""
        group = self._groups[adapter]
        try:
            await self._thread.call(work)
        except Exception as error:  # noqa: BLE001 - whatever the model raises, its requests must be answered
            _fail(group.jobs, model_failure(error))
        for job in group.jobs:
            if not job.answer.done() and all(sample.is_finished for sample in job.samples):
                job.answer.set_result(None)
        for job in group.jobs:
            if job.answer.done():
                for sample in job.samples:
                    sample.is_abandoned = True
        group.jobs = [job for job in group.jobs if not job.answer.done()]
        if not group.jobs:
            del self._groups[adapter]

    def _next_prompts(self) -> list[PromptJob]:
        """The longest run of prompts, from the front of the queue, that may join now in one pass."""
        joining: list[PromptJob] = []
        while self._prompts:
            job = self._prompts[0]
            if not job.answer.done():
                if not self._may_join(job, joining):
                    break
                joining.append(job)
            self._prompts.popleft()
        return joining

    def _may_join(self, job: PromptJob, joining: Sequence[PromptJob]) -> bool:
        if job.is_probe or not (self._groups or joining):
            return True  # whatever its size: there is nothing to wait for
        together = [*joining, job]
        if joining and (
            job.adapter != joining[0].adapter
            or len(together) * max(len(other.tokens) for other in together) > self._limits.max_batch_tokens
        ):
            return False
        per_adapter = {adapter: group.jobs for adapter, group in self._groups.items()}
        per_adapter[job.adapter] = [*per_adapter.get(job.adapter, []), *together]
        rows = sum(len(other.samples) for jobs in per_adapter.values() for other in jobs)
        cache_tokens = sum(map(_cache_tokens, per_adapter.values()))
        return rows <= self._limits.max_sequences and cache_tokens <= self._limits.max_cache_tokens

    # --- embeddings ---

    async def _encode_texts(self) -> None:
        self._texts = [job for job in self._texts if not job.answer.done()]
        if not self._texts:
            return
        batch = self._next_texts()
        rows = [job.tokens for job in batch]
        try:
            vectors = await self._thread.call(self._model.embeddings, rows, adapter=batch[0].adapter)
        except Exception as error:  # noqa: BLE001 - as above
            _fail(batch, model_failure(error))
            return
        for job, vector in zip(batch, vectors, strict=True):
            if not job.answer.done():
                if vector is None:
                    job.answer.set_exception(EncoderError("an embedding is zero or not finite, and was not sent"))
                else:
                    job.answer.set_result(vector)

    def _next_texts(self) -> list[TextJob]:
        """The oldest text, and those most like it in length, as many as fill a pass."""
        oldest = self._texts[0]
        alike = sorted(
            (job for job in self._texts if job.adapter == oldest.adapter),
            key=lambda job: abs(len(job.tokens) - len(oldest.tokens)),
        )
        batch: list[TextJob] = []
        longest = 0
        for job in alike:
            longest = max(longest, len(job.tokens))
            if batch and (len(batch) + 1) * longest > self._limits.max_batch_tokens:
                break
            batch.append(job)
        return batch


def _cache_tokens(jobs: Sequence[PromptJob]) -> int:
    """Columns times rows that a batch of these prompts may grow to."""
    return sum(len(job.samples) for job in jobs) * max((job.reach for job in jobs), default=0)


def _fail(jobs: Sequence[PromptJob | TextJob], error: PolicyError) -> None:
    for job in jobs:
        if not job.answer.done():
            job.answer.set_exception(error)


_P = ParamSpec("_P")
_T = TypeVar("_T")


@final
class ModelThread:
    """Runs functions one after another, off the event loop.

    A call that is cancelled ends only when its function has: whoever held something for the call (a
    lock, a place in a batch) still holds it while the function runs.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leanebm-model")

    async def __aenter__(self) -> Self:
        """The thread starts with its first call."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Let the thread end; no call is under way, since each waits for its function."""
        self._executor.shutdown(wait=False)

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The function's result, or its exception."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait((running,))
            running.exception()  # asyncio would report it as never looked at
            raise


_log = logging.getLogger(__name__)


def model_failure(error: Exception) -> PolicyError:
    """The error to answer requests with that it ended. The memory that its frames held is free afterwards.

    A pass that fails leaves its tensors in the frames of the traceback, and those in a cycle with the future
    that brought the error here: until Python happens to collect it, a GPU that was full would stay so.
    """
    import torch  # here, because it takes seconds; whoever has a model has it already

    _log.error("the model failed", exc_info=error)
    traceback.clear_frames(error.__traceback__)
    if not isinstance(error, torch.OutOfMemoryError):
        return PolicyError(f"the model failed: {type(error).__name__}: {error}")
    return PolicyError(
        "the GPU ran out of memory, and what was in this pass is lost. If it happens again, start the server with "
        "smaller --max-cache-tokens, --max-batch-tokens or --max-sequences, or ask who else uses the GPU. torch says: "
        f"{str(error).partition('. If reserved')[0]}"
    )
