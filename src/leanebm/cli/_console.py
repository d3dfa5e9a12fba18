"""The only way to print with colours and tables: what theorems, Lean and models wrote cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, final

import attrs
from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from leanebm._shown import printable

_ROOM: Final = 10_000
"""Characters of a line in which any table is measured."""


@final
class ClearConsole(Console):
    """A console that writes out the control characters in the text it renders; its own styles are not text.

    Lines of tables end with their last word, rather than with spaces up to the table's width. A table none of whose
    columns may be wrapped takes the room that it needs: half a number is worse than a line that the terminal breaks.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, **settings)

    def print(self, *objects: Any, **settings: Any) -> None:
        """Rich's own."""
        has_table = any(isinstance(each, Table) for each in objects)
        shown = [_Trimmed(each) if isinstance(each, Table) else each for each in objects]
        super().print(*shown, **{"crop": not has_table, **settings})

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's own, segment by segment."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


@final
@attrs.frozen
class _Trimmed:
    """A table whose lines have no spaces at their ends, and whose numbers are whole."""

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        if all(column.no_wrap for column in self.table.columns):
            wanted = Measurement.get(console, options.update(width=_ROOM), self.table).maximum
            options = options.update(width=max(options.max_width, wanted))
        for line in console.render_lines(self.table, options, pad=False):
            while line and not line[-1].text.strip():
                line.pop()
            *before, last = line or [Segment("")]
            yield from (*before, Segment(last.text.rstrip(), last.style), Segment.line())
