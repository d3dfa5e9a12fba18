"""Does work on many items, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from leanebm.errors import PartBroken

R = TypeVar("R")
T = TypeVar("T")


async def for_each(items: Sequence[T], work: Callable[[T], Awaitable[R]], *, concurrency: int) -> tuple[R, ...]:
    """Do ``work`` on each item, ``concurrency`` of them at a time, in their order.

    Returns:
        What came of each, in the same order.

    Raises:
        Exception: what the first failing work raised; the others have been cancelled.
        PartBroken: some work was cancelled, and it was not the caller who cancelled it.
    """
    waiting = iter(enumerate(items))  # shared: each worker takes the next one when it is free
    found: dict[int, R] = {}

    async def work_on_those_left() -> None:
        for number, item in waiting:
            found[number] = await work(item)

    async with together() as tasks:
        for _ in range(min(concurrency, len(items))):
            tasks.create_task(work_on_those_left())
    if lost := [number for number in range(len(items)) if number not in found]:
        raise PartBroken(
            f"work on item {lost[0] + 1} of {len(items)} was cancelled from within, and nobody had cancelled it: a "
            "part raised asyncio.CancelledError, or cancelled the task that it runs in"
        )
    return tuple(found[number] for number in range(len(items)))


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
