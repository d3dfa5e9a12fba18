"""Comparisons on one page, with their curves."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path

from leanebm._page import filled_page
from leanebm.pipeline.comparison.comparison import RunComparison
from leanebm.storage import write_atomically

_WIDTH, _HEIGHT = 640, 280
"""Of the plot's inner part, in pixels."""


def write_comparison_page(path: str | os.PathLike[str], comparisons: Sequence[RunComparison]) -> Path:
    """Write one HTML file with the curves and the tables of ``comparisons``; it needs nothing beside it.

    Args:
        path: the file.
        comparisons: at least one; all with one baseline and one kind of cost.

    Raises:
        MissingExtra: jinja2 is not installed; it comes with the extra ``energy``.
        OSError: the file cannot be written.
    """
    first = comparisons[0]
    curves = [(first.baseline, first.theorems, [(row.budget, row.baseline) for row in first.budgets])]
    curves += [
        (each.experiment, each.theorems, [(row.budget, row.experiment) for row in each.budgets]) for each in comparisons
    ]
    budgets = sorted({row.budget for each in comparisons for row in each.budgets})
    shown = max((each.budgets for each in comparisons), key=len)
    page = filled_page(
        "leanebm.pipeline.comparison",
        "page.html.j2",
        comparisons=comparisons,
        cost=first.cost.noun,
        width=_WIDTH,
        height=_HEIGHT,
        names=[str(name) for name, _, _ in curves],
        curves=[
            (
                number,
                [f"{_x(budget, budgets):.1f},{_HEIGHT * (1 - proved / theorems):.1f}" for budget, proved in points],
            )
            for number, (_, theorems, points) in enumerate(curves)
        ],
        ticks=[(f"{row.budget:g}", _x(row.budget, budgets)) for row in shown],
    )
    path = Path(path)
    write_atomically(path, page.encode())
    return path


def _x(budget: float, budgets: Sequence[float]) -> float:
    """Where a budget is drawn, of all that are: each doubling is as wide as the next."""
    smallest, largest = budgets[0], budgets[-1]
    return _WIDTH * math.log(budget / smallest) / math.log(largest / smallest) if largest > smallest else float(_WIDTH)
