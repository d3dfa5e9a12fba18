"""``leanebm extract-library``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leanebm.cli._echo import echo
from leanebm.cli._options import lean_options
from leanebm.cli._running import run_to_end
from leanebm.cli._sections import SectionedCommand, output_option
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.data import LibrarySelection
    from leanebm.pipeline import RunConfig

_MODULES = ("Init", "Std")
"""As :data:`~leanebm.pipeline.LIBRARY_MODULES` has them; to import it would load what runs Lean."""


@click.command(name="extract-library", cls=SectionedCommand)
@output_option("The Parquet file to write; --theorems reads it.", is_file=True, suffix=".parquet")
@click.option(
    "--module",
    "modules",
    multiple=True,
    default=_MODULES,
    metavar="M",
    help=f"Take the theorems of M and everything below it; repeatable.  [default: {', '.join(_MODULES)}]",
)
@lean_options(many=False)
def extract_library(*, output: Path, modules: tuple[str, ...], config: RunConfig) -> None:
    """Take the theorems of Lean's own library, to be proved again.

    Keeps those a person would state, each statement once, and says which split (train, val or test) its
    module belongs to. A proof of one of them may not use the theorem itself.
    """
    from leanebm.cli._display import open_display
    from leanebm.pipeline import LibraryRun

    with open_display() as display:
        try:
            reading = LibraryRun(config.lean, output, modules=modules, observer=display)
        except ValueError as error:
            raise ConfigError("no library can be read:", [f"{error} @ --module"]) from error
        found = run_to_end(reading.run())
    echo(f"{_as_text(found)}\nwritten to {output}")


def _as_text(found: LibrarySelection) -> str:
    splits = Counter(theorem.split.value for theorem in found.kept)
    kept = ", ".join(f"{splits[split]} {split}" for split in sorted(splits))
    dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(found.dropped.items()))
    return f"kept {len(found.kept)} theorems ({kept})\nleft out: {dropped or 'none'}"
