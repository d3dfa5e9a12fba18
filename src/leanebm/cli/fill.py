"""``leanebm fill``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm.cli._echo import echo, echo_json
from leanebm.cli._options import run_options
from leanebm.cli._running import BAD_INPUT, BROKEN, NOT_PROVED, run_to_end
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.core import Certificate
from leanebm.errors import ConfigError, LeanEbmError

if TYPE_CHECKING:
    from leanebm.pipeline import FilledTheorem, FillReport, RunConfig, SorryReport


@click.command(cls=SectionedCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@output_option(
    "Where to write the file with its proofs.  [default: NAME.filled.lean beside it]", is_file=True, required=False
)
@click.option("--in-place", is_flag=True, help="Write over the file itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list; progress goes to standard error.")
@run_options(many=False)
def fill(*, files: tuple[Path, ...], output: Path | None, in_place: bool, as_json: bool, config: RunConfig) -> None:
    """Prove the sorries of a Lean file, and write the file with the proofs in place.

    Searches for each sorry in a theorem of the file, those inside a proof included. All else stays as it is, byte for
    byte: other theorems, definitions, namespaces, comments. Each theorem that held one is certified within the
    complete file: elaborated, kernel-checked, stating what it stated, resting on no sorry. The result is
    written if anything was filled; no other file is overwritten. The exit status is 0 only if every sorry is filled
    and every theorem that held one is certified, 1 if not, 2 if a file cannot be read or Lean finds errors in it as
    it is, and 3 if something broke.
    """
    if in_place and output is not None:
        raise click.UsageError("give --in-place or --output, not both")
    if output is not None and len(files) > 1:
        raise click.UsageError("--output is for one file")
    from leanebm.cli._display import open_display
    from leanebm.pipeline import FillRun

    results: dict[Path, FillReport | LeanEbmError] = {}
    with open_display() as display:
        for file in files:
            run = FillRun(config, file, output=output, in_place=in_place, observer=display)
            try:
                results[file] = run_to_end(run.run())
            except LeanEbmError as error:  # what is wrong with one file concerns no other
                results[file] = error
    if as_json:
        echo_json([_as_json(file, result) for file, result in results.items()])
    else:
        for file, result in results.items():
            echo(_as_text(file, result))
    if status := max(map(_status, results.values())):
        raise click.exceptions.Exit(status)


def _status(result: FillReport | LeanEbmError) -> int:
    match result:
        case ConfigError():
            return BAD_INPUT
        case LeanEbmError():
            return BROKEN
        case _:
            return 0 if result.is_complete else NOT_PROVED


def _as_text(file: Path, result: FillReport | LeanEbmError) -> str:
    if isinstance(result, LeanEbmError):
        return f"{file}: not filled\n  {_indented(str(result))}"
    if not result.sorries:
        return f"{file}: there is no sorry in it, so nothing was written"
    certified = sum(theorem.is_certified for theorem in result.theorems)
    sorries = f"{result.num_filled} of {len(result.sorries)} sorries filled"
    lines = [f"{file}: {sorries}, {certified} of {len(result.theorems)} theorems certified"]
    for theorem in result.theorems:
        lines += [_told(theorem), *(f"    {_about(sorry)}" for sorry in theorem.sorries)]
    lines += [f"  {_about(sorry)}" for sorry in result.others]
    lines.append("nothing was written" if result.output is None else f"written to {result.output}")
    return "\n".join(lines)


def _told(theorem: FilledTheorem) -> str:
    where = f"{theorem.name} (line {theorem.line})"
    if not isinstance(theorem.result, Certificate):
        return f"  not certified: {where}: {_indented(theorem.shortfall)}"
    axioms = ", ".join(theorem.result.axioms) or "none"
    return f"  certified: {where}; axioms: {axioms}; vouched for by {theorem.result.vouched_for_by}"


def _about(sorry: SorryReport) -> str:
    place = f"{sorry.line}:{sorry.column}"
    if sorry.proof is None:
        return f"{place} not filled: {_indented(sorry.reason)}"
    return f"{place} {_indented(sorry.proof)}"


def _indented(text: str) -> str:
    """Further lines begin where no verdict begins, so that none can be forged."""
    return text.replace("\n", "\n      ")


def _as_json(file: Path, result: FillReport | LeanEbmError) -> dict[str, Any]:
    if isinstance(result, LeanEbmError):
        return {"file": str(file), "complete": False, "message": str(result)}
    import attrs

    return {
        "file": str(file),
        "complete": result.is_complete,
        "output": None if result.output is None else str(result.output),
        "theorems": [
            {
                "name": theorem.name,
                "line": theorem.line,
                "certified": theorem.is_certified,
                "message": theorem.shortfall,
                "statement": theorem.statement,
                "axioms": theorem.result.axioms if isinstance(theorem.result, Certificate) else None,
                "sorries": [attrs.asdict(sorry) for sorry in theorem.sorries],
            }
            for theorem in result.theorems
        ],
        "others": [attrs.asdict(sorry) for sorry in result.others],
    }
