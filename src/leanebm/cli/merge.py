"""``leanebm merge``."""

from __future__ import annotations

from pathlib import Path

import click

from leanebm.cli._echo import echo
from leanebm.cli._sections import output_option

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=_FOLDER, metavar="RUN...")
@output_option("Where the one folder is made; the others stay as they are.  [default: the first RUN]", required=False)
def merge(*, runs: tuple[Path, ...], output: Path | None) -> None:
    """Make one run of several, and of what workers wrote to them.

    RUN is the folder of a search, or of generate-negatives, whose workers have ended. A theorem counts once: of several
    results, the one of the first RUN and of the first worker by name. Runs that differ in settings, Lean, models or
    code are refused, as they are by --resume. What comes out is an ordinary run.
    """
    from leanebm.cli._console import ClearConsole
    from leanebm.cli._report import print_summary
    from leanebm.pipeline import RunFolder, summarise_run
    from leanebm.pipeline import merge as merge_folders

    folder = merge_folders(runs, output)
    if RunFolder(folder).trajectory.is_dir():
        print_summary(ClearConsole(), summarise_run(folder), folder=folder)
    else:
        echo(f"merged into {folder}; the report on all groups is written by generate-negatives --resume", err=True)
