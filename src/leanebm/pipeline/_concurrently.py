"""Work on many things, some at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
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

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(concurrency, len(items))):
                tasks.create_task(work_on(waiting))
    except ExceptionGroup as group:
        # One task's failure stopped the others; it is the story, the group is not.
        raise group.exceptions[0] from group
