"""A policy that takes its time, for benchmarks of what stands around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Self

from leanebm.serve import (
    Backend,
    BackendDescription,
    Completion,
    Embedding,
    Prompt,
    SamplingParams,
    TemplateBackend,
)


class SlowBackend(Backend):
    """The template policy, which answers after a while, and only so many at a time, as a model on one GPU would."""

    def __init__(self, *, latency_s: float, slots: int) -> None:
        self._inner = TemplateBackend()
        self._latency_s = latency_s
        self._slots = asyncio.Semaphore(slots)
        self.busy_s = 0.0
        """Seconds that slots were taken, summed over slots."""

    @property
    def description(self) -> BackendDescription:
        """The template policy's."""
        return self._inner.description

    async def __aenter__(self) -> Self:
        """There is nothing to load."""
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """There is nothing to let go of."""
        await self._inner.__aexit__(*exc_info)

    async def generate(
        self, prompts: Sequence[Prompt], params: SamplingParams, *, adapter: str | None = None
    ) -> Sequence[Sequence[Completion]]:
        """Wait for a slot, then for the answer."""
        async with self._slots:
            await asyncio.sleep(self._latency_s)
            self.busy_s += self._latency_s
        return await self._inner.generate(prompts, params, adapter=adapter)

    async def encode(self, prompts: Sequence[Prompt], *, adapter: str | None = None) -> Sequence[Embedding]:
        """At once; nobody asks."""
        return await self._inner.encode(prompts, adapter=adapter)

    async def flush_cache(self) -> None:
        """There is none."""

    async def check_health(self) -> bool:
        """It is well."""
        return True
