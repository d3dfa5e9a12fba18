from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest
from rich.live import Live
from rich.table import Table
from rich.text import Text

from leanebm.cli._console import ClearConsole
from leanebm.cli._display import open_display
from leanebm.pipeline import stage

EVIL = "n\x1bc\x9b2J\u202e\rok"
WRITTEN = r"n\u001"  # a table cuts what got longer

# What rich itself sends: colours, cursor movements, and the cursor hidden and shown.
_OWN = re.compile("\x1b\\[[0-9;?]*[a-zA-Z]")


def text(console: ClearConsole) -> None:
    console.print(Text(EVIL, style="bold"), soft_wrap=True)


def table(console: ClearConsole) -> None:
    rows = Table(EVIL)
    rows.add_row(EVIL)
    console.print(rows)


def live(console: ClearConsole) -> None:
    with Live(Text(EVIL), console=console, auto_refresh=False) as region:
        region.update(Text(f"more {EVIL}"), refresh=True)


def job(console: ClearConsole) -> None:
    with open_display(console) as display, stage(display, EVIL, EVIL) as running:
        running.progressed(EVIL, done=1, total=2, counts=EVIL)


@pytest.mark.parametrize("show", [text, table, live, job])
@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_shown_steers_the_terminal(show: Callable[[ClearConsole], None], terminal: bool) -> None:
    console = ClearConsole(file=io.StringIO(), force_terminal=terminal, width=200)
    show(console)
    assert isinstance(console.file, io.StringIO)
    shown = _OWN.sub("", console.file.getvalue()) if terminal else console.file.getvalue()
    assert WRITTEN in shown
    # A carriage return is what rich moves the cursor with; it takes those in a text out.
    assert not re.search("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e]", shown)


def test_a_table_that_may_not_be_wrapped_is_whole_on_a_narrow_terminal() -> None:
    rows = Table(box=None, padding=(0, 1, 0, 0))
    for number in range(9):
        rows.add_column(f"heading {number}", justify="right", no_wrap=True)
    rows.add_row(*(f"{number}79/300" for number in range(9)))
    console = ClearConsole(file=io.StringIO(), width=40)
    console.print(rows)
    assert isinstance(console.file, io.StringIO)
    headings, numbers = console.file.getvalue().splitlines()
    assert headings.split("heading ")[1:] == [*(f"{number} " for number in range(8)), "8"]
    assert numbers.split() == [f"{number}79/300" for number in range(9)]


def test_lines_of_a_table_end_with_their_last_word() -> None:
    rows = Table(box=None, padding=(0, 2, 0, 0))
    rows.add_column("word")
    rows.add_row("a")
    rows.add_row(Text("longer ", style="bold"))
    rows.add_row("")
    console = ClearConsole(file=io.StringIO(), width=40)
    console.print(rows)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == "word\na\nlonger\n\n"
