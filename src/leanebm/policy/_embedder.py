"""Gathers single texts into batches, asks for each text once, and remembers the answers."""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

import attrs

from leanebm.errors import EncoderError, LeanEbmError, PolicyBadRequest
from leanebm.policy._embeddings import EncodeBatch
from leanebm.policy.statistics import RequestMeter

_log = logging.getLogger(__name__)

_LARGEST_BATCH_CHARS: Final = 48_000
"""About 16 000 tokens, which keeps one request's memory on the server in bounds."""


@attrs.frozen
class _Wanted:
    text: str
    answer: asyncio.Future[array[float]]


@final
class Embedder:
    """Coalescing, single flight and a bounded cache in front of a batch encoder.

    A text that is asked for while a request for it is under way shares that request. A caller that
    is cancelled leaves the shared request alone: others may wait for it, and its answer is kept.
    """

    def __init__(
        self,
        encode_batch: EncodeBatch,
        tasks: asyncio.TaskGroup,
        *,
        meter: RequestMeter,
        batch_size: int,
        linger_s: float,
        cache_entries: int,
        on_bad_batch: Callable[[], Awaitable[object]],
    ) -> None:
        """Nothing is asked yet.

        Args:
            encode_batch: gets the vectors of one batch.
            tasks: where requests run.
            meter: counts texts.
            batch_size: most texts per batch.
            linger_s: seconds the first text of a batch waits for company.
            cache_entries: vectors remembered.
            on_bad_batch: called when a batch held an unusable vector, before its texts are asked for
                again, one by one; raises if the encoder is not to be used any more.
        """
        self._encode_batch = encode_batch
        self._tasks = tasks
        self._meter = meter
        self._batch_size = batch_size
        self._linger_s = linger_s
        self._cache_entries = cache_entries
        self._on_bad_batch = on_bad_batch
        self._cache: OrderedDict[str, array[float]] = OrderedDict()
        self._in_flight: dict[str, asyncio.Future[array[float]]] = {}
        self._gathering: list[_Wanted] = []
        self._lingering: asyncio.TimerHandle | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._generation = 0

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        """One vector per text, in order; equal texts share one.

        Raises:
            PolicyError: the first failure among them.
        """
        self._meter.texts += len(texts)
        answers = [self._ask(text) for text in texts]
        return [await asyncio.shield(answer) for answer in answers]

    def forget(self) -> None:
        """Empty the cache; what is under way is still answered, but not kept."""
        self._cache.clear()
        self._generation += 1

    def limit_batch(self, size: int) -> None:
        """Ask for at most ``size`` texts at a time from now on."""
        self._batch_size = size

    def close(self) -> None:
        """Give up on everything that is under way; the task group waits for the ends."""
        if self._lingering is not None:
            self._lingering.cancel()
        for wanted in self._gathering:
            wanted.answer.cancel()
        for task in self._running:
            task.cancel()

    def _ask(self, text: str) -> asyncio.Future[array[float]]:
        if (known := self._cache.get(text)) is not None:
            self._cache.move_to_end(text)
            self._meter.cached_texts += 1
            answer = asyncio.get_running_loop().create_future()
            answer.set_result(known)
            return answer
        if (shared := self._in_flight.get(text)) is not None:
            self._meter.shared_texts += 1
            return shared
        answer = asyncio.get_running_loop().create_future()
        # Every waiter sees the exception; if all were cancelled, nobody has to.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._in_flight[text] = answer
        self._gather(_Wanted(text, answer))
        return answer

    def _gather(self, wanted: _Wanted) -> None:
        self._gathering.append(wanted)
        size = sum(len(item.text) for item in self._gathering)
        if len(self._gathering) >= self._batch_size or size >= _LARGEST_BATCH_CHARS:
            self._send_gathered()
        elif self._lingering is None:
            self._lingering = asyncio.get_running_loop().call_later(self._linger_s, self._send_gathered)

    def _send_gathered(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        batch, self._gathering = self._gathering, []
        if batch:
            task = self._tasks.create_task(self._answer_all(batch))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _answer_all(self, batch: Sequence[_Wanted]) -> None:
        try:
            await self._answer(batch, self._generation)
        finally:
            for wanted in batch:
                self._in_flight.pop(wanted.text, None)
                wanted.answer.cancel()  # does nothing unless the client is being closed

    async def _answer(self, batch: Sequence[_Wanted], generation: int) -> None:
        if len(batch) > self._batch_size:  # it was limited since they were gathered
            for start in range(0, len(batch), self._batch_size):
                await self._answer(batch[start : start + self._batch_size], generation)
            return
        try:
            vectors = await self._encode_batch([wanted.text for wanted in batch])
        except (EncoderError, PolicyBadRequest) as error:
            await self._isolate(batch, error, generation)
        except LeanEbmError as error:
            _fail(batch, error)
        else:
            for wanted, vector in zip(batch, vectors, strict=True):
                self._keep(wanted, vector, generation)

    async def _isolate(self, batch: Sequence[_Wanted], error: LeanEbmError, generation: int) -> None:
        """Find the text that spoils a batch, so that it alone fails."""
        if len(batch) == 1:
            _fail(batch, error)
            return
        if isinstance(error, EncoderError) and self._batch_size > 1:
            _log.warning("a batch of %d embeddings was unusable (%s); asking for one at a time", len(batch), error)
            self.limit_batch(1)
            try:
                await self._on_bad_batch()
            except LeanEbmError as worse:
                _fail(batch, worse)
                return
        middle = len(batch) // 2
        await self._answer(batch[:middle], generation)
        await self._answer(batch[middle:], generation)

    def _keep(self, wanted: _Wanted, vector: array[float], generation: int) -> None:
        if not wanted.answer.done():
            wanted.answer.set_result(vector)
        if generation == self._generation and self._cache_entries:
            self._cache[wanted.text] = vector
            while len(self._cache) > self._cache_entries:
                self._cache.popitem(last=False)


def _fail(batch: Sequence[_Wanted], error: LeanEbmError) -> None:
    for wanted in batch:
        if not wanted.answer.done():
            wanted.answer.set_exception(error)
