"""Background tasks that end with the block they serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial

from leanebm._cancelled import uninterrupted


class Servants:
    """The tasks of one ``async with serving() as servants`` block."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._tasks: set[asyncio.Task[None]] = set()
        self._kept: set[asyncio.Task[None]] = set()
        """Those that nobody has cancelled."""

    def start(self, work: Coroutine[None, None, None], name: str) -> Callable[[], None]:
        """Have ``work`` done beside the block; what is returned cancels it.

        A servant that raises is a defect, and cancels the block.
        """
        task = self._group.create_task(work, name=name)
        self._tasks.add(task)
        self._kept.add(task)
        task.add_done_callback(self._ended)
        return partial(self._cancel, task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._kept.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._kept.clear()  # the group has just cancelled them all

    def _cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel it once: a second cancellation would break off what it does when it ends.

        ``task.cancelling()`` does not tell: a timeout of the servant's own cancels it, too, and then it goes on.
        """
        if task in self._kept:
            self._kept.remove(task)
            task.cancel()

    async def dismiss(self) -> None:
        """Cancel them all and wait until they have ended, whoever is cancelled meanwhile."""
        for task in self._tasks:
            self._cancel(task)
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
