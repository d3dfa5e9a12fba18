"""Background tasks that end with the block they serve."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["TaskScope"]


class TaskScope:
    """An :class:`asyncio.TaskGroup` for servants: when the block ends, however it ends, they are cancelled.

    Unlike with a bare task group, the block's own exception is raised as it is, not inside a group.
    A servant that raises is a defect: it cancels the block and is reported in an exception group.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> asyncio.TaskGroup:
        return await self._group.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Cancel the servants and wait for them."""
        # A group whose block was cancelled cancels its tasks, and raises that very cancellation when
        # they are done: so we tell it of one, and keep the one we made up to ourselves.
        stop = error if isinstance(error, asyncio.CancelledError) else asyncio.CancelledError()
        requests = _cancellation_requests()
        try:
            await self._group.__aexit__(asyncio.CancelledError, stop, traceback)
        except asyncio.CancelledError as raised:
            # One that came while the servants were ending the group took for its own doing, and swallowed.
            if raised is not stop or _cancellation_requests() > requests:
                raise


def _cancellation_requests() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
