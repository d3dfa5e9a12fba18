"""The only way to print with colours and tables: what theorems, Lean and models wrote cannot steer the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from leanebm._shown import printable


@final
class ClearConsole(Console):
    """A console that writes out the control characters in the text it renders; its own styles are not text."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(highlight=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Rich's own, segment by segment."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)
