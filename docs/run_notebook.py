"""Runs a file of cells as a notebook does: in an event loop that is running, where ``await`` may stand by itself."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from pathlib import Path


async def run_cells(cells: str, name: str) -> None:
    """Run ``cells``; raises what a cell raises."""
    code = compile(cells, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, {"__name__": "__main__"})  # noqa: S307 - the page's own code; exec would lose the coroutine
    if inspect.iscoroutine(running):
        await running


if __name__ == "__main__":
    asyncio.run(run_cells(Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[1]))
