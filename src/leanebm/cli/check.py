"""``leanebm check``."""

from __future__ import annotations

import click

from leanebm.cli._echo import echo
from leanebm.cli._running import NOT_PROVED, run_to_end
from leanebm.cli._sections import Choice
from leanebm.errors import ConfigError

_KINDS = ("scorer", "policy", "search", "energy-model", "backend", "encoder", "environment", "certifier")
"""As :data:`~leanebm.pipeline.part_check.PART_KINDS` has them; to import it would load what runs Lean."""


@click.command()
@click.argument("part", metavar="PART[:KEY=VALUE,…]")
@click.option("--kind", type=Choice(_KINDS), help="What it is.  [default: as its methods say]")
def check(*, part: str, kind: str | None) -> None:
    """Check a scorer, policy, search … of your own against its contract.

    PART is package.module:Name, in a package or in a file of this folder. A Lean backend, an environment and a
    certifier are tried on a small theorem about natural numbers; nothing else needs Lean. Fails if the part
    breaks its contract.
    """
    from leanebm.pipeline.part_check import check_part
    from leanebm.pipeline.parts import part_table

    try:
        table = part_table(part)
    except ValueError as error:
        raise ConfigError(f"{error} @ PART") from error
    try:
        report = run_to_end(check_part(table, kind=kind))
    except ConfigError as error:
        raise ConfigError(error.summary, [_in_part(problem) for problem in error.problems]) from None
    article = "an" if report.kind[0] in "aeiou" else "a"
    echo(f"{table['kind']} was checked as {article} {report.kind.replace('-', ' ')}: that {report.checked}")
    if not report.problems:
        echo("It keeps its contract, as far as a check can see.")
        return
    echo("It breaks its contract:")
    for problem in report.problems:
        echo(f"  - {problem}")
    raise click.exceptions.Exit(NOT_PROVED)


def _in_part(problem: str) -> str:
    """A mistake in the part's settings, which are written after its name: ``… @ PART:width``."""
    sentence, at, path = problem.rpartition(" @ ")
    return f"{sentence}{at}PART{path[1:].replace('.', ':', 1)}" if path.startswith("$") else problem
