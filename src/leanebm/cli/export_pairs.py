"""``leanebm export-pairs``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo

if TYPE_CHECKING:
    from leanebm.data import KnownProof


@click.command(name="export-pairs")
@click.option(
    "--trajectories",
    required=True,
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER",
    help="A run's folder, its trajectory, or one shard of it; repeatable.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file of JSON lines to write; `generate-negatives` reads it.",
)
def export_pairs(*, trajectories: tuple[Path, ...], output: Path) -> None:
    """Write the certified proofs of search runs as tactic pairs: one state and its right tactic per line.

    Only certified proofs count. A theorem that was proved several times is written once, with its shortest proof.
    """
    from leanebm.data import write_tactic_pairs
    from leanebm.pipeline import certified_proofs

    proofs = certified_proofs(trajectories)
    write_tactic_pairs(output, [pair for proof in proofs for pair in proof.pairs])
    echo(f"{_as_text(proofs)}\nwritten to {output}")


def _as_text(proofs: tuple[KnownProof, ...]) -> str:
    lengths = Counter(proof.num_steps for proof in proofs)
    spread = ", ".join(f"{count} of {length}" for length, count in sorted(lengths.items()))
    total = sum(proof.num_steps for proof in proofs)
    return f"{len(proofs)} certified proofs, {total} steps (proofs by length: {spread})"
