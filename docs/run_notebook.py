"""Runs cells as a notebook does: in an event loop that is running, where ``await`` may stand by itself.

``python docs/run_notebook.py FILE`` takes a notebook (``.ipynb``), or a file that holds the text of its cells.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import sys
from pathlib import Path


async def run_cells(cells: str, name: str) -> None:
    """Run ``cells``; raises what a cell raises."""
    code = compile(cells, name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    running = eval(code, {"__name__": "__main__"})  # noqa: S307 - the page's own code; exec would lose the coroutine
    if inspect.iscoroutine(running):
        await running


def cells_of(path: Path) -> str:
    """The text of all cells of code, in their order."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


if __name__ == "__main__":
    asyncio.run(run_cells(cells_of(Path(sys.argv[1])), sys.argv[1]))
