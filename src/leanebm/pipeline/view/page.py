"""Runs on one page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from leanebm._viewer import viewer_page
from leanebm.pipeline.view.run_view import RunView, Tree, view_file
from leanebm.storage import write_atomically


def write_view(
    run: str | os.PathLike[str],
    *,
    beside: str | os.PathLike[str] | None = None,
    theorem: str | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Path:
    """Write one HTML file with a run's search trees; it needs nothing beside it, and asks nothing from a network.

    Args:
        run: a run's folder, its trajectory, or one shard of it.
        beside: another run, whose tree of each theorem is shown below the first one's.
        theorem: leave out all others.
        output: the file; ``view.html`` in the run's folder if ``None``.

    Raises:
        ConfigError: there is no such theorem, or ``output`` is a shard of what is shown.
        TrajectoryError: a shard is damaged or of another version.
        OSError: the file cannot be written.
    """
    views = [RunView(Path(path)) for path in (run, beside) if path is not None]
    path = view_file(run) if output is None else Path(output)
    for view in views:
        view.spare(path)
    runs = [view.as_json(number, theorem=theorem) for number, view in enumerate(views)]
    write_atomically(path, viewer_page(runs, _trees(views, runs)).encode())
    return path


def _trees(views: Sequence[RunView], runs: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Tree]]:
    for view, run in zip(views, runs, strict=True):
        yield from view.trees({each["name"]: each["id"] for each in run["theorems"]})
