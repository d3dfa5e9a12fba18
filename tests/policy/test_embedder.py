from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from leanebm.errors import PolicyUnavailable
from leanebm.policy._embedder import Embedder
from leanebm.policy.statistics import RequestMeter


class Encoder:
    """Embeds a text as its length and the number of calls so far; can be told to wait or to fail."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.called = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.bad_batches = 0

    async def on_bad_batch(self) -> None:
        self.bad_batches += 1

    async def __call__(self, texts: Sequence[str]) -> Sequence[array[float]]:
        self.calls.append(list(texts))
        self.called.set()
        call = len(self.calls)
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [array("f", [len(text), call]) for text in texts]


@asynccontextmanager
async def embedder(
    encoder: Encoder,
    *,
    batch_size: int = 3,
    cache_entries: int = 100,
    meter: RequestMeter | None = None,
) -> AsyncIterator[Embedder]:
    async with asyncio.TaskGroup() as tasks:
        one = Embedder(
            encoder,
            tasks,
            meter=meter or RequestMeter(),
            batch_size=batch_size,
            linger_s=0.0,
            cache_entries=cache_entries,
            on_bad_batch=encoder.on_bad_batch,
        )
        try:
            yield one
        finally:
            one.close()


async def test_texts_asked_for_together_share_a_request() -> None:
    encoder = Encoder()
    async with embedder(encoder) as one:
        results = await asyncio.gather(one.encode(["a"]), one.encode(["bb"]), one.encode(["ccc"]))
    assert encoder.calls == [["a", "bb", "ccc"]]
    assert [list(vectors[0]) for vectors in results] == [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]


async def test_batches_are_bounded_in_number_and_in_length() -> None:
    encoder = Encoder()
    async with embedder(encoder) as one:
        await one.encode(["a", "b", "c", "d"])
        await one.encode(["x" * 48_000, "y"])
    assert [len(call) for call in encoder.calls] == [3, 1, 1, 1]


async def test_a_text_under_way_is_not_asked_for_twice() -> None:
    encoder, meter = Encoder(), RequestMeter()
    encoder.gate.clear()
    async with embedder(encoder, batch_size=1, meter=meter) as one:
        first = asyncio.create_task(one.encode(["a"]))
        second = asyncio.create_task(one.encode(["a", "a"]))
        await encoder.called.wait()
        encoder.gate.set()
        assert (await first)[0] is (await second)[1]
    assert encoder.calls == [["a"]]
    assert meter.shared_texts == 2


async def test_answers_are_remembered_the_oldest_use_forgotten_first() -> None:
    encoder, meter = Encoder(), RequestMeter()
    async with embedder(encoder, batch_size=1, cache_entries=2, meter=meter) as one:
        for text in ("a", "b", "a", "c", "a", "b"):
            await one.encode([text])
    assert encoder.calls == [["a"], ["b"], ["c"], ["b"]]
    assert meter.cached_texts == 2


async def test_forgetting_also_covers_what_is_under_way() -> None:
    encoder = Encoder()
    encoder.gate.clear()
    async with embedder(encoder, batch_size=1) as one:
        asking = asyncio.create_task(one.encode(["a"]))
        await encoder.called.wait()
        one.forget()
        encoder.gate.set()
        await asking
        await one.encode(["a"])
    assert len(encoder.calls) == 2


async def test_a_cancelled_caller_does_not_take_the_others_answer_away() -> None:
    encoder = Encoder()
    encoder.gate.clear()
    async with embedder(encoder, batch_size=1) as one:
        gone, staying = asyncio.create_task(one.encode(["a"])), asyncio.create_task(one.encode(["a"]))
        await encoder.called.wait()
        gone.cancel()
        encoder.gate.set()
        assert list((await staying)[0]) == [1.0, 1.0]
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_a_failure_reaches_every_caller_and_is_not_kept() -> None:
    encoder = Encoder()
    encoder.error = PolicyUnavailable("down")
    async with embedder(encoder) as one:
        results = await asyncio.gather(one.encode(["a"]), one.encode(["b"]), return_exceptions=True)
        assert all(isinstance(result, PolicyUnavailable) for result in results)
        encoder.error = None
        assert len(await one.encode(["a"])) == 1
    assert encoder.calls == [["a", "b"], ["a"]]


async def test_closing_ends_what_is_under_way() -> None:
    encoder = Encoder()
    encoder.gate.clear()
    async with embedder(encoder, batch_size=1) as one:
        asking = asyncio.create_task(one.encode(["a"]))
        lingering = asyncio.create_task(one.encode(["b"]))
        await encoder.called.wait()
    for task in (asking, lingering):
        with pytest.raises(asyncio.CancelledError):
            await task
