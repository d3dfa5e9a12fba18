"""``leanebm conjecture``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm._shown import hint
from leanebm.cli._echo import echo
from leanebm.cli._options import lean_options
from leanebm.cli._running import run_to_end, typed_command
from leanebm.cli._sections import SectionedCommand, count_option, output_option

if TYPE_CHECKING:
    from leanebm.pipeline import ConjectureCounts, RunConfig


@click.command(cls=SectionedCommand)
@output_option(
    "The Parquet file to write; --theorems FILE --split test reads one split of it.",
    is_file=True,
    suffix=".parquet",
)
@count_option("--number", 6500, "Statements for train, val and test together, 10 : 1 : 2.", least=0)
@count_option("--unseen", 500, "Statements of the families that are held out.", least=0)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of every draw.")
@click.option("--family", "families", multiple=True, metavar="F", help="Take only this family; repeatable.")
@click.option(
    "--hold-out", multiple=True, metavar="F", help="Hold this family out instead of the usual ones; repeatable."
)
@click.option(
    "--difficulty",
    "difficulties",
    multiple=True,
    type=int,
    metavar="D",
    help="Make only this difficulty, 1 to 4; repeatable.",
)
@count_option("--per-skeleton", 3, "Statements that may differ in names and numerals alone.")
@click.option(
    "--keep-all",
    is_flag=True,
    help="Keep what automation proves, too, and start no Lean: a set for searches --without automation.",
)
@lean_options(many=True)
@click.pass_context
def conjecture(
    context: click.Context,
    *,
    output: Path,
    number: int,
    unseen: int,
    seed: int,
    families: tuple[str, ...],
    hold_out: tuple[str, ...],
    difficulties: tuple[int, ...],
    per_skeleton: int,
    keep_all: bool,
    config: RunConfig,
) -> None:
    """Make new theorems to prove, in families, with train, val and test apart.

    Each family tests its statements before Lean sees them: by truth tables, on small models or on small inputs.
    What one automation tactic proves is dropped, unless --keep-all is given. Statements that differ in names and
    numerals alone are in one split, and the families that are held out are in a split of their own. Stop it with
    Ctrl-C at any time; the same command goes on where it was.
    """
    from leanebm.cli._display import open_display
    from leanebm.data.conjectures import FAMILIES, HELD_OUT, ConjectureFactory
    from leanebm.data.conjectures.factory import DIFFICULTIES
    from leanebm.errors import ConfigError
    from leanebm.pipeline import AUTOMATION, ConjectureRun

    if unknown := [name for name in (*families, *hold_out) if name not in FAMILIES]:
        close = "".join(hint(name, FAMILIES) for name in unknown)
        raise ConfigError(f"there is no family {', '.join(unknown)}{close}", [f"choose from {', '.join(FAMILIES)}"])
    factory = ConjectureFactory(
        [FAMILIES[name] for name in families or FAMILIES],
        seed=seed,
        held_out=hold_out or HELD_OUT,
        difficulties=difficulties or DIFFICULTIES,
        per_skeleton=per_skeleton,
    )
    with open_display() as display:
        run = ConjectureRun(
            config,
            output,
            factory,
            number=number,
            unseen=unseen,
            tactics=() if keep_all else AUTOMATION,
            provenance={"command": typed_command(context)},
            observer=display,
        )
        counts = run_to_end(run.run())
    echo(f"{_as_text(counts)}\nwritten to {output}")


def _as_text(counts: ConjectureCounts) -> str:
    return "\n".join(
        [
            f"kept {sum(counts.kept.values())} of {counts.drawn} statements ({_listed(counts.kept)})",
            f"by family: {_listed(counts.by_family)}",
            f"left out: {_listed(counts.dropped) or 'none'}",
        ]
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
