"""Background tasks that end with the block they serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from leanebm._uninterrupted import uninterrupted


class Servants:
    """The tasks of one ``async with serving() as servants`` block."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Have ``work`` done beside the block. A servant that raises is a defect, and cancels the block."""
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def dismiss(self) -> None:
        """Cancel them all, once, and wait until they have ended, whoever is cancelled meanwhile."""
        for task in self._tasks:
            if not task.cancelling():  # a second cancellation would break off what one does when it ends
                task.cancel()
        await uninterrupted(asyncio.gather(*self._tasks, return_exceptions=True))


@asynccontextmanager
async def serving() -> AsyncIterator[Servants]:
    """An :class:`asyncio.TaskGroup` for servants: when the block ends, however it ends, they are cancelled.

    Unlike with a bare task group, the block's own exception is raised as it is, not inside a group.

    Raises:
        ExceptionGroup: a servant raised.
    """
    own: Exception | None = None
    async with asyncio.TaskGroup() as group:
        servants = Servants(group)
        try:
            yield servants
        except Exception as error:  # noqa: BLE001 - raised below, where the group does not see it
            own = error
        finally:
            await servants.dismiss()
    if own is not None:
        raise own
