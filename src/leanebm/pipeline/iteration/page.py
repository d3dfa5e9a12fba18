"""An iteration on one page, with its curves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from leanebm._page import filled_page
from leanebm.pipeline.iteration.summary import IterationRow, IterationSummary
from leanebm.storage import write_atomically

PAGE_NAME: Final = "report.html"
"""In an iteration's folder, written anew after each round."""

_WIDTH, _HEIGHT = 480, 240
"""Of a plot's inner part, in pixels."""

_HEADINGS: Final = (
    "round", "arm", "tried", "new", "proved", "length", "p90", "once", "ever", "siblings", "α", "β", "p",
    "CPU min",
)  # fmt: skip


def iteration_table(summary: IterationSummary) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings, and a row of texts per round and arm.

    ``once`` and ``ever`` are the test theorems proved by one search and in any round so far, or validation theorems if
    no others were given.
    """
    return _HEADINGS, [_cells(row) for row in summary.rows]


def _cells(row: IterationRow) -> tuple[str, ...]:
    return (
        str(row.round),
        row.arm,
        str(row.attempted),
        str(row.new),
        f"{row.proved}/{row.of}",
        _number(row.mean_length, ".2f"),
        _number(row.p90_length, "g"),
        f"{row.judged_proved}/{row.judged_of}",
        f"{row.judged_ever}/{row.judged_of}",
        _number(row.sibling_accuracy, ".3f"),
        _number(row.alpha, "g"),
        _number(row.beta, "g"),
        _number(row.p, ".2g"),
        f"{row.cpu_min:.1f}",
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def write_iteration_page(path: str | os.PathLike[str], summary: IterationSummary) -> Path:
    """Write one HTML file with the table of an iteration and its curves; it needs nothing beside it.

    Raises:
        MissingExtra: jinja2 is not installed; it comes with the extra ``energy``.
        OSError: the file cannot be written.
    """
    headings, table = iteration_table(summary)
    last = summary.rows[-1].round
    page = filled_page(
        "leanebm.pipeline.iteration",
        "page.html.j2",
        arms=list(dict.fromkeys(row.arm for row in summary.rows)),
        charts=list(_charts(summary, last)),
        headings=headings,
        table=table,
        notes=summary.notes,
        ticks=[(number, _x(number, last)) for number in range(last + 1)],
        width=_WIDTH,
        height=_HEIGHT,
    )
    path = Path(path)
    write_atomically(path, page.encode())
    return path


def _charts(summary: IterationSummary, last: int) -> Iterator[tuple[str, int, list[tuple[int, list[str]]]]]:
    judged = f"{summary.judged_on} theorems proved"
    figures = (
        ("Training theorems proved so far", "proved", "of"),
        (f"{judged} by one search".capitalize(), "judged_proved", "judged_of"),
        (f"{judged} in any round so far".capitalize(), "judged_ever", "judged_of"),
    )
    for title, figure, of in figures:
        total = getattr(summary.rows[0], of)
        yield title, total, list(_curves(summary.rows, figure, total, last))


def _curves(rows: Sequence[IterationRow], figure: str, total: int, last: int) -> Iterator[tuple[int, list[str]]]:
    for number, arm in enumerate(dict.fromkeys(row.arm for row in rows)):
        points = [(row.round, getattr(row, figure) / max(total, 1)) for row in rows if row.arm == arm]
        yield number, [f"{_x(at, last):.1f},{_HEIGHT * (1 - share):.1f}" for at, share in points]


def _x(number: int, last: int) -> float:
    return _WIDTH * number / last if last else _WIDTH / 2
