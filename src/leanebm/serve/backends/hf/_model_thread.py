"""The one thread in which everything of the model runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar, final

__all__ = ["ModelThread"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


@final
class ModelThread:
    """Runs functions one after another, off the event loop.

    A call that is cancelled ends only when its function has: whoever held something for the call (a
    lock, a place in a batch) still holds it while the function runs.
    """

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="leanebm-model")

    async def __aenter__(self) -> Self:
        """The thread starts with its first call."""
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Let the thread end; no call is under way, since each waits for its function."""
        self._executor.shutdown(wait=False)

    async def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """The function's result, or its exception."""
        running = asyncio.get_running_loop().run_in_executor(self._executor, lambda: function(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait((running,))
            running.exception()  # nobody is left to hear of it
            raise
