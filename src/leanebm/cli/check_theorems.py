"""``leanebm check-theorems``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo, echo_json
from leanebm.cli._options import json_option, lean_options, tell
from leanebm.cli._running import NOT_PROVED, run_to_end
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.cli._theorem_options import max_theorems_option, reading_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leanebm.data import FileReading
    from leanebm.pipeline import RunConfig, StatementCheck

_LISTED = 10


@click.command(name="check-theorems", cls=SectionedCommand)
@click.argument("theorems", metavar="FILE")
@reading_options
@max_theorems_option
@output_option(
    "A .jsonl file for the good ones; --theorems reads it.  [default: nowhere]",
    is_file=True,
    required=False,
    suffix=".jsonl",
)
@json_option
@lean_options(many=True)
def check_theorems(
    *,
    theorems: str,
    reading: FileReading,
    max_theorems: int | None,
    output: Path | None,
    as_json: bool,
    config: RunConfig,
) -> None:
    """Say which statements of FILE elaborate, which do not and why, and which are not worth proving.

    FILE is anything that --theorems takes. A statement is not worth proving if an earlier one or a theorem of
    Lean's library says the same, or if its hypotheses contradict one another, as far as a few tactics can tell.
    The exit status is 0 if all are good.
    """
    from leanebm.cli._display import open_display
    from leanebm.data import write_theorems
    from leanebm.pipeline import Cause, TheoremCheckRun, find_theorems, fit_imports, notes_on

    config = fit_imports(config, theorems)
    found = find_theorems(theorems, reading)
    for note in notes_on(found, config.lean.imports):
        tell(f"{theorems}: {note}")
    with open_display() as display:
        checks = run_to_end(TheoremCheckRun(config, found.theorems[:max_theorems], observer=display).run())
    good = [check.theorem for check in checks if check.cause is Cause.GOOD]
    if as_json:
        echo_json(_as_json(checks, found.refused))
    else:
        _print(checks, found.refused)
    if output is not None and good:
        write_theorems(output, good)
        tell(f"the good ones ({len(good)}) are written to {output}")
    if len(good) < len(checks) + len(found.refused):
        raise click.exceptions.Exit(NOT_PROVED)


def _print(checks: Sequence[StatementCheck], refused: Sequence[str]) -> None:
    from leanebm.pipeline import Cause

    if refused:
        _print_group(len(refused), "unreadable", "cannot be taken for statements", refused)
    for cause in Cause:
        found = [check for check in checks if check.cause is cause]
        if found:
            lines = () if cause is Cause.GOOD else [check.line for check in found]
            _print_group(len(found), cause.value, cause.meaning, lines)


def _print_group(count: int, word: str, meaning: str, lines: Sequence[str]) -> None:
    echo(f"{count:>6}  {word:<15} {meaning}")
    for line in lines[:_LISTED]:
        echo(f"          {line}")
    if len(lines) > _LISTED:
        echo(f"          … and {len(lines) - _LISTED} more; --json lists all")


def _as_json(checks: Sequence[StatementCheck], refused: Sequence[str]) -> dict[str, object]:
    from leanebm.pipeline import Cause

    return {
        "attempted": len(checks),
        "causes": {cause.value: sum(check.cause is cause for check in checks) for cause in Cause},
        "unreadable": refused,
        "theorems": [
            {
                "name": check.theorem.name,
                "statement": check.theorem.display,
                "cause": check.cause.value,
                "message": check.message,
                "fingerprint": check.fingerprint,
            }
            for check in checks
        ],
    }
