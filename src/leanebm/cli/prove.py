"""``leanebm prove``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leanebm.cli._echo import echo, echo_json
from leanebm.cli._options import json_option, run_options
from leanebm.cli._running import NOT_PROVED, run_to_end
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.cli._tape import Tape, tape_options
from leanebm.errors import LeanEbmError

if TYPE_CHECKING:
    from leanebm.pipeline import ProofAttempt, RunConfig


@click.command(cls=SectionedCommand)
@click.argument("statement")
@click.option("--tactic", "tactics", multiple=True, metavar="T", help="Replay this instead of searching; repeatable.")
@click.option("--name", metavar="NAME", help="The theorem's name.  [default: made from the statement]")
@click.option(
    "--header", default="", metavar="LINES", help="`open`, `universe` and `set_option` lines in front of the theorem."
)
@click.option(
    "--context",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file of definitions and other Lean commands that the statement needs.",
)
@output_option("Where to write the certified proof, a .lean file with its record.  [default: nowhere]", required=False)
@json_option
@tape_options
@run_options(many=False)
def prove(
    statement: str,
    *,
    tactics: tuple[str, ...],
    name: str | None,
    header: str,
    context: Path | None,
    output: Path | None,
    as_json: bool,
    tape: Tape,
    config: RunConfig,
) -> None:
    """Prove STATEMENT, a Lean proposition such as "∀ n : Nat, n + 0 = n", or a whole theorem with its `sorry`.

    Searches for a proof, or replays the tactics given with --tactic. Whatever is found is elaborated and
    kernel-checked once more, from its text, in a Lean process that ran no search. The exit status is 0 only
    for such a certified proof.
    """
    from leanebm.cli._display import open_display
    from leanebm.pipeline import ProofRun, read_context, theorem_of, write_proof

    imports = config.lean.imports
    before = "" if context is None else read_context(context, imports)
    theorem = theorem_of(statement, name=name, header=header, context=before, imports=imports)
    with tape.opening(config, [theorem]) as more, open_display() as display:
        attempt = run_to_end(ProofRun(config, theorem, tactics=tactics, observer=display, **more).run())
    file, failure = None, None
    if output is not None and attempt.certificate is not None:
        try:
            file = write_proof(attempt.certificate, output)
        except LeanEbmError as error:  # the proof is printed all the same
            failure = error
    if as_json:
        echo_json(_as_json(attempt, file))
    else:
        echo(str(attempt))
        if file is not None:
            echo(f"written to {file}")
    if failure is not None:
        raise failure
    if not attempt.is_proved:
        raise click.exceptions.Exit(NOT_PROVED)


_OF_CERTIFICATE = (
    "tactics", "axioms", "constants", "trusted_constants", "fingerprint", "lean_version", "backend", "vouched_for_by",
    "source",
)  # fmt: skip


def _as_json(attempt: ProofAttempt, file: Path | None) -> dict[str, Any]:
    certificate = attempt.certificate
    found: dict[str, Any] = {}
    if certificate is not None:
        found = {name: getattr(certificate, name) for name in _OF_CERTIFICATE}
        found["file"] = None if file is None else str(file)
    return {
        "name": attempt.theorem.name,
        "statement": attempt.theorem.display,
        "header": attempt.theorem.header,
        "context": attempt.theorem.context,
        "outcome": attempt.outcome,
        "message": attempt.sentence,
        "certified": attempt.is_proved,
        "rejections": [{"reason": each.reason, "message": each.message} for each in attempt.rejections],
        "nodes": attempt.nodes,
        "tactic_calls": attempt.tactic_calls,
        "wall_s": attempt.wall_s,
        **found,
    }
