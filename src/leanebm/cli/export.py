"""``leanebm export``."""

from __future__ import annotations

from pathlib import Path

import click

from leanebm.cli._echo import echo
from leanebm.cli._options import PROMPT_FORMAT_WORDS, RUN
from leanebm.cli._sections import Choice, count_option, output_option, overwrite_option

_TABLES = (
    "pairs",
    "leandojo",
    "completion",
    "chat",
    "preferences",
    "chat-preferences",
    "theorems",
    "nodes",
    "tactics",
)
"""As :class:`~leanebm.pipeline.ResultTable` has them; to import it would load what reads Parquet."""


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RUN)
@click.option(
    "--as",
    "table",
    type=Choice(_TABLES),
    default="pairs",
    show_default=True,
    help="Tactic pairs of ours or LeanDojo's, training sets as TRL takes them, or plain tables of what was found.",
)
@output_option("The file to write; its suffix says how: .jsonl, .json, .csv or .parquet.", is_file=True)
@overwrite_option
@click.option(
    "--prompt-format",
    type=Choice(PROMPT_FORMAT_WORDS),
    help="How a training set shows a state.  [default: chat in conversations, else state_comment]",
)
@count_option("--max-rejected", 4, "Refused tactics for each state in preferences, the likeliest ones.")
def export(*, runs: tuple[Path, ...], table: str, output: Path, prompt_format: str | None, max_rejected: int) -> None:
    """Write what search runs found as a table, or as a training set.

    Each RUN is a run's folder, its trajectory, or one shard of it. Training sets are made of certified proofs only;
    a theorem that was proved several times is in them once, with its shortest proof. What preferences reject is
    what Lean refused, and nothing that broke or ran out of time.
    """
    from leanebm.pipeline import Results

    results = Results(runs, prompt_format=prompt_format, max_rejected=max_rejected)
    count = results.write(table, output)
    lengths = results.proof_lengths()
    spread = ", ".join(f"{many} of {length}" for length, many in sorted(lengths.items()))
    echo(f"{lengths.total()} certified proofs, {sum(lengths.elements())} steps (proofs by length: {spread})")
    echo(f"{count} rows of {table}, written to {output}")
