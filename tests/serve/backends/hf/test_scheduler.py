from __future__ import annotations

import asyncio
import gc
import math
import random
import threading
import weakref
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
import torch

from leanebm.errors import EncoderError, PolicyError
from leanebm.serve import SamplingParams
from leanebm.serve.backends.hf._scheduler import Limits, ModelThread, PromptJob, Scheduler, TextJob, model_failure
from leanebm.serve.backends.hf._sequence import SampledSequence


class Silence:
    def next(self, _: int) -> str:
        return ""


class Machine:
    """In place of a model: notes what it is asked to do, and does it when the test lets it."""

    def __init__(self) -> None:
        self.joined: list[list[int]] = []
        """The prompts' first tokens, one list a join."""
        self.encoded: list[list[int]] = []
        """The texts' lengths, one list a pass."""
        self.adapters: list[str | None] = []
        self.alive: list[int] = []
        """Sequences that grew in each step."""
        self.error: Exception | None = None
        self.is_held = False
        """Whether a step has begun and waits for the test."""
        self._turns = math.inf
        self._changed = threading.Condition()

    def hold(self) -> None:
        self._turns = 0

    def let(self, turns: float = math.inf) -> None:
        with self._changed:
            self._turns += turns
            self._changed.notify()

    def take_turn(self) -> None:
        with self._changed:
            self.is_held = self._turns <= 0
            self._changed.wait_for(lambda: self._turns > 0)
            self.is_held = False
            self._turns -= 1
        if self.error is not None:
            raise self.error

    def embeddings(self, rows: Sequence[Sequence[int]], *, adapter: str | None) -> list[array[float] | None]:
        self.take_turn()
        self.encoded.append([len(row) for row in rows])
        self.adapters.append(adapter)
        return [None if row[0] == 666 else array("f", [float(row[0])]) for row in rows]


class MachineBatch:
    def __init__(self, machine: Machine, adapter: str | None) -> None:
        self._machine = machine
        self._adapter = adapter
        self._sequences: list[SampledSequence] = []

    def join(self, prompts: Sequence[Sequence[int]], samples: Sequence[Sequence[SampledSequence]]) -> None:
        self._machine.take_turn()
        self._machine.joined.append([prompt[0] for prompt in prompts])
        self._machine.adapters.append(self._adapter)
        new = [sequence for sequences in samples for sequence in sequences]
        self._sequences += new
        self._grow(new)

    def step(self) -> None:
        self._machine.take_turn()
        self._sequences = [sequence for sequence in self._sequences if not sequence.is_abandoned]
        self._machine.alive.append(len(self._sequences))
        self._grow(self._sequences)

    def _grow(self, sequences: Sequence[SampledSequence]) -> None:
        for sequence in sequences:
            sequence.append(5, -1.0)
        self._sequences = [sequence for sequence in self._sequences if not sequence.is_finished]


Start = Callable[..., Any]


@asynccontextmanager
async def scheduling(machine: Machine, **limits: int) -> AsyncIterator[Scheduler]:
    settings = {"max_sequences": 8, "max_batch_tokens": 100, "max_cache_tokens": 10_000, **limits}
    async with ModelThread() as thread, asyncio.TaskGroup() as tasks:
        scheduler = Scheduler(
            thread,
            cast("Any", machine),
            Limits(**settings),
            new_batch=lambda adapter: cast("Any", MachineBatch(machine, adapter)),
        )
        running = tasks.create_task(scheduler.run())
        try:
            yield scheduler
        finally:
            machine.let()
            running.cancel()


def prompt(first: int = 1, *, length: int = 3, tokens: int = 4, n: int = 1, **more: Any) -> PromptJob:
    samples = tuple(
        SampledSequence(
            prompt_tokens=length,
            params=SamplingParams(max_new_tokens=tokens),
            end_ids=(),
            stream=Silence(),
            rng=random.Random(0),  # noqa: S311 - test data
        )
        for _ in range(n)
    )
    settings = {"adapter": None, "max_new_tokens": tokens, **more}
    return PromptJob(tokens=(first,) * length, samples=samples, **settings)


def text(first: int = 1, *, length: int = 3, adapter: str | None = None) -> TextJob:
    return TextJob(tokens=(first,) * length, adapter=adapter)


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop turn; the machine's thread answers into it."""
    while not holds():  # noqa: ASYNC110 - whatever may be waited for, there is no event for it
        await asyncio.sleep(0.0001)


async def test_prompts_that_come_together_are_read_together_and_grow_together() -> None:
    machine = Machine()
    async with scheduling(machine) as scheduler:
        jobs = [prompt(1, n=2), prompt(2)]
        await scheduler.complete(jobs)
    assert machine.joined == [[1, 2]]
    assert machine.alive == [3, 3, 3]  # the first token came with the prompt
    assert all(len(sample.completion().tokens) == 4 for job in jobs for sample in job.samples)


async def test_a_newcomer_joins_at_the_next_step_and_a_short_one_leaves_first() -> None:
    machine = Machine()
    machine.hold()
    async with scheduling(machine) as scheduler:
        long = asyncio.create_task(scheduler.complete([prompt(1, tokens=50)]))
        await until(lambda: scheduler.statistics["running_sequences"] == 1)
        machine.let(5)
        await until(lambda: len(machine.alive) == 4 and machine.is_held)  # in the next step, which nobody joins
        short = asyncio.create_task(scheduler.complete([prompt(2, tokens=2)]))
        await until(lambda: scheduler.statistics["waiting_prompts"] == 1)
        machine.let(4)
        await short
        assert not long.done()
        assert machine.joined == [[1], [2]]
        assert 2 in machine.alive
        machine.let()
        await long
    assert machine.alive[-1] == 1


@pytest.mark.parametrize(
    ("limits", "jobs", "joins"),
    [
        ({"max_sequences": 3}, [(1, 2, 3), (2, 2, 3), (3, 1, 3)], [[1], [2, 3]]),
        ({"max_batch_tokens": 10}, [(1, 1, 5), (2, 1, 5), (3, 1, 2)], [[1, 2], [3]]),
        ({"max_batch_tokens": 10}, [(1, 1, 2), (2, 1, 50), (3, 1, 2)], [[1], [2], [3]]),
        ({"max_cache_tokens": 5, "max_batch_tokens": 5}, [(1, 1, 60), (2, 1, 60)], [[1], [2]]),
        ({"max_cache_tokens": 20}, [(1, 1, 6), (2, 1, 6), (3, 1, 6)], [[1, 2], [3]]),
    ],
)
async def test_limits_are_kept_and_nobody_overtakes(
    limits: dict[str, int], jobs: list[tuple[int, int, int]], joins: list[list[int]]
) -> None:
    machine = Machine()
    async with scheduling(machine, **limits) as scheduler:
        await scheduler.complete([prompt(first, n=n, length=length) for first, n, length in jobs])
    assert machine.joined == joins
    assert max(machine.alive) <= limits.get("max_sequences", 8)


async def test_adapters_never_share_a_pass() -> None:
    machine = Machine()
    async with scheduling(machine) as scheduler:
        jobs = [prompt(1, adapter="a"), prompt(2, adapter="a"), prompt(3), prompt(4, adapter="a")]
        texts = [text(1), text(2, adapter="a"), text(3)]
        await asyncio.gather(scheduler.complete(jobs), scheduler.embed(texts))
    assert machine.joined == [[1, 2], [3], [4]]
    assert sorted(map(len, machine.encoded)) == [1, 2]


async def test_a_probe_goes_first_and_beside_a_full_batch() -> None:
    machine = Machine()
    machine.hold()
    async with scheduling(machine, max_sequences=1) as scheduler:
        running = asyncio.create_task(scheduler.complete([prompt(1, tokens=100)]))
        await until(lambda: scheduler.statistics["running_sequences"] == 1)
        waiting = asyncio.create_task(scheduler.complete([prompt(2)]))
        probe = asyncio.create_task(scheduler.complete([prompt(3, tokens=1, is_probe=True)]))
        machine.let(6)
        await probe
        assert machine.joined == [[1], [3]]
        assert not waiting.done()
        machine.let()
        await asyncio.gather(running, waiting)


async def test_abandoned_samples_leave_at_the_next_step_and_free_their_place() -> None:
    machine = Machine()
    machine.hold()
    async with scheduling(machine, max_sequences=3) as scheduler:
        kept = asyncio.create_task(scheduler.complete([prompt(1, tokens=10)]))
        left = asyncio.create_task(scheduler.complete([prompt(2, tokens=1000, n=2)]))
        machine.let(2)
        await until(lambda: scheduler.statistics["running_sequences"] == 3)
        queued = asyncio.create_task(scheduler.complete([prompt(3, tokens=1000)]))
        waiting = asyncio.create_task(scheduler.complete([prompt(4)]))
        await until(lambda: scheduler.statistics["waiting_prompts"] == 2)
        left.cancel()
        queued.cancel()
        machine.let()
        await asyncio.gather(kept, waiting)
        assert left.cancelled()
        assert queued.cancelled()
        await until(lambda: scheduler.statistics["running_sequences"] == 0)
    assert all(3 not in together for together in machine.joined)
    assert len(machine.alive) < 30


async def test_texts_of_like_length_are_encoded_together_and_the_oldest_first() -> None:
    machine = Machine()
    async with scheduling(machine, max_batch_tokens=40) as scheduler:
        lengths = [5, 30, 6, 31, 4, 100, 5]
        vectors = await scheduler.embed([text(first, length=length) for first, length in enumerate(lengths)])
    assert [list(vector) for vector in vectors] == [[float(first)] for first in range(len(lengths))]
    assert machine.encoded == [[5, 5, 6, 4], [30], [31], [100]]


async def test_texts_are_encoded_between_the_steps_of_a_long_completion() -> None:
    machine = Machine()
    machine.hold()
    async with scheduling(machine) as scheduler:
        long = asyncio.create_task(scheduler.complete([prompt(1, tokens=1000)]))
        await until(lambda: scheduler.statistics["running_sequences"] == 1)
        embedding = asyncio.create_task(scheduler.embed([text()]))
        machine.let(4)
        await embedding
        assert not long.done()
        long.cancel()


async def test_a_useless_vector_is_an_error_of_its_request_alone() -> None:
    machine = Machine()
    async with scheduling(machine) as scheduler:
        bad = asyncio.create_task(scheduler.embed([text(5), text(666)]))
        good = asyncio.create_task(scheduler.embed([text(6)]))
        with pytest.raises(EncoderError, match="zero or not finite"):
            await bad
        assert [list(vector) for vector in await good] == [[6.0]]


async def test_a_model_that_fails_fails_its_requests_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    async with scheduling(machine) as scheduler:
        machine.error = MemoryError("out of memory")
        with pytest.raises(PolicyError, match="MemoryError: out of memory"):
            await scheduler.complete([prompt(1), prompt(2)])
        with pytest.raises(PolicyError, match="out of memory"):
            await scheduler.embed([text(1), text(2)])
        machine.error = None
        await scheduler.complete([prompt(3)])
        assert [list(vector) for vector in await scheduler.embed([text(4)])] == [[4.0]]
    assert "the model failed" in caplog.text
    assert machine.joined == [[3]]


async def test_stopping_it_does_not_wait_for_completions() -> None:
    machine = Machine()
    machine.hold()
    async with scheduling(machine) as scheduler:
        endless = asyncio.create_task(scheduler.complete([prompt(1, tokens=10**9)]))
        await until(lambda: scheduler.statistics["running_sequences"] == 1)
        queued = asyncio.create_task(scheduler.complete([prompt(2, n=8)]))
        encoding = asyncio.create_task(scheduler.embed([text()]))
        await until(lambda: scheduler.statistics["waiting_texts"] == 1)
    for task in (endless, queued, encoding):
        with pytest.raises(PolicyError, match="the model was closed"):
            await task


async def test_calls_run_one_after_another_in_one_other_thread() -> None:
    async with ModelThread() as thread:
        idents = await asyncio.gather(*(thread.call(threading.get_ident) for _ in range(5)))
    assert len(set(idents)) == 1
    assert threading.get_ident() not in idents


async def test_exceptions_come_back() -> None:
    async with ModelThread() as thread:
        with pytest.raises(ZeroDivisionError):
            await thread.call(lambda: 1 / 0)
        assert await thread.call(pow, 2, 3) == 8


@pytest.mark.parametrize("fails", [False, True])
async def test_a_cancelled_call_ends_when_its_function_does(*, fails: bool) -> None:
    started, may_end = threading.Event(), threading.Event()
    ended = False

    def work() -> None:
        nonlocal ended
        started.set()
        may_end.wait()
        ended = True
        if fails:
            raise ValueError("too late to matter")

    async with ModelThread() as thread:
        call = asyncio.create_task(thread.call(work))
        await asyncio.to_thread(started.wait)
        call.cancel()
        await asyncio.sleep(0)
        assert not call.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ended


OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.19 GiB. "
    "Of the allocated memory 71 GiB is allocated by PyTorch, and 4 GiB is reserved by PyTorch but unallocated. If "
    "reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True."
)


def failing_pass(seen: list[weakref.ref[torch.Tensor]]) -> None:
    activations = torch.zeros(8)
    seen.append(weakref.ref(activations))
    raise torch.OutOfMemoryError(OUT_OF_MEMORY)


def test_a_full_gpu_is_told_with_what_to_do() -> None:
    told = str(model_failure(torch.OutOfMemoryError(OUT_OF_MEMORY)))
    assert "the GPU ran out of memory" in told
    assert "--max-cache-tokens" in told
    assert "Tried to allocate 2.00 GiB" in told
    assert "expandable_segments" not in told


def test_other_errors_are_told_by_name() -> None:
    assert str(model_failure(IndexError("row 7"))) == "the model failed: IndexError: row 7"


def test_the_tensors_of_a_failed_pass_are_let_go_at_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[weakref.ref[torch.Tensor]] = []
    cycle: dict[str, Any] = {}
    gc.disable()
    try:
        failing_pass(seen)
    except torch.OutOfMemoryError as error:
        cycle["error"] = error  # as a future does whose awaiting frame is in the error's own traceback
        model_failure(error)
    assert seen[0]() is None
    gc.enable()
    assert "failing_pass" in caplog.text
