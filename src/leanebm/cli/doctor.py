"""``leanebm doctor``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo_json
from leanebm.cli._running import BROKEN

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.pipeline import HealthCheck


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A built Lake project that is to be worked in.",
)
def doctor(*, as_json: bool, project: Path | None) -> None:
    """Check what works for proving on this machine, what does not, and what to do about it.

    Each Lean that is here is started once; nothing is installed. Fails if something stands in the way.
    """
    import attrs

    from leanebm.cli._console import ClearConsole
    from leanebm.cli._display import open_display
    from leanebm.pipeline import Health, examine

    with open_display() as display:
        diagnoses = examine(project, observer=display)
    if as_json:
        echo_json([attrs.asdict(each, value_serializer=_plain) for each in diagnoses])
    else:
        console = ClearConsole()
        for diagnosis in diagnoses:
            _print(console, diagnosis)
    if any(diagnosis.verdict is Health.BAD for diagnosis in diagnoses):
        raise click.exceptions.Exit(BROKEN)


def _print(console: Console, diagnosis: HealthCheck) -> None:
    from rich.text import Text

    from leanebm.pipeline import Health

    marks = {Health.GOOD: ("ok", "green"), Health.ABSENT: ("--", "dim"), Health.BAD: ("!!", "bold red")}
    mark, style = marks[diagnosis.verdict]
    console.print(Text.assemble((mark, style), f"  {diagnosis.subject:<14} {diagnosis.finding}"), soft_wrap=True)
    if diagnosis.advice:
        console.print(Text(f"{'':<19}→ {diagnosis.advice}"), soft_wrap=True)


def _plain(_: object, __: object, value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value
