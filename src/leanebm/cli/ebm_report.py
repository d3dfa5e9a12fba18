"""``leanebm ebm-report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm._extras import extra_needed

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.energy.diagnostics import HeadReport


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR")
def ebm_report(*, folder: Path) -> None:
    """Write a page on how good an energy head is.

    DIR is what train-ebm wrote. The page, DIR/report.html, says whether the head may steer a search, what is wrong
    with it, and the likely cause; it is one file and needs nothing beside it.
    """
    from leanebm.cli._console import ClearConsole

    with extra_needed("energy", "the report on an energy head"):
        from leanebm.energy.diagnostics import HeadReport
        from leanebm.energy.diagnostics.report import write_report
    page = write_report(folder)
    print_diagnosis(ClearConsole(), HeadReport.read(folder), page)


def print_diagnosis(console: Console, diagnosis: HeadReport, page: Path) -> None:
    """Print the verdict, what speaks against the head, and where the whole report is."""
    from rich.text import Text

    verdict = diagnosis.verdict
    console.print(Text(f"{verdict.grade.value}: ", style="bold"), Text(verdict.summary), sep="", soft_wrap=True)
    for reason in verdict.reasons:
        console.print(Text(f"  {reason}"), soft_wrap=True)
    for alarm in diagnosis.alarms:
        console.print(Text(f"{alarm.severity.value}: {alarm.name}: {alarm.finding}"), soft_wrap=True)
    console.print(Text(f"weight in a search: β = {diagnosis.calibration.beta:g}"))
    console.print(Text(f"report: {page}"), soft_wrap=True)
