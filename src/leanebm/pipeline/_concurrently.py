"""Does work on many items, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


async def for_each(items: Sequence[T], work: Callable[[T], Awaitable[None]], *, concurrency: int) -> None:
    """Do ``work`` on each item, ``concurrency`` of them at a time, in their order.

    Raises:
        Exception: what the first failing work raised; the others have been cancelled.
    """
    waiting = iter(items)  # shared: each worker takes the next one when it is free

    async def work_on(waiting: Iterator[T]) -> None:
        for item in waiting:
            await work(item)

    async with together() as tasks:
        for _ in range(min(concurrency, len(items))):
            tasks.create_task(work_on(waiting))


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure is what is raised.

    It stopped the others, so it is the story, and the group of exceptions is not.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
