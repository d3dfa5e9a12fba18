"""``leanebm view``."""

from __future__ import annotations

from pathlib import Path

import click

from leanebm.cli._echo import echo
from leanebm.cli._running import Interrupted, run_to_end
from leanebm.cli._sections import output_option, overwrite_option

_RUN = click.Path(path_type=Path)
"""It need not be there yet if it is served."""


@click.command()
@click.argument("run", type=_RUN)
@click.option("--beside", type=_RUN, metavar="RUN", help="Another run, to see the same theorems side by side.")
@click.option("--theorem", metavar="NAME", help="This theorem only.")
@output_option(
    "Where to write.  [default: view.html in the run's folder, made anew each time; text and graphs are printed]",
    is_file=True,
    required=False,
)
@overwrite_option
@click.option("--text", is_flag=True, help="Print the tree of --theorem as text; without it, the list.")
@click.option("--dot", is_flag=True, help="Print the tree of --theorem for Graphviz.")
@click.option("--serve", is_flag=True, help="Serve the page on this machine; it follows a run that goes on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where --serve listens.  [default: a free one]")
def view(*, run: Path, beside: Path | None, theorem: str | None, output: Path | None, port: int, **forms: bool) -> None:
    """Look at a run's search trees in a browser.

    RUN is a run's folder, its trajectory, or one shard of it. The page is one file, which needs no network: a list of
    theorems, the tree of each with states, tactics, figures and what Lean said, and a slider that replays the search.
    """
    from leanebm.pipeline.view.page import write_view

    chosen = [form for form, is_given in forms.items() if is_given]
    if len(chosen) > 1:
        raise click.UsageError("give one of --text, --dot and --serve")
    form = chosen[0] if chosen else None
    if beside is not None and form in ("text", "dot"):
        raise click.UsageError(f"--beside is for a page: leave out --{form}, or --beside")
    if output is not None and form == "serve":
        raise click.UsageError("a page that is served is not written: leave out --serve, or --output")
    if port and form != "serve":
        raise click.UsageError("--port is for --serve")
    if form == "serve":
        _serve([run, *([beside] if beside else [])], theorem, port)
    elif form is None:
        echo(str(write_view(run, beside=beside, theorem=theorem, output=output)))
    else:
        _write(_drawn(run, theorem, form, output), output)


def _drawn(run: Path, theorem: str | None, form: str, output: Path | None) -> str:
    from leanebm.errors import ConfigError
    from leanebm.pipeline.view.run_view import RunView
    from leanebm.pipeline.view.text import run_text, tree_dot, tree_text

    seen = RunView(run)
    if output is not None:
        seen.spare(output)
    told = seen.as_json(theorem=theorem)
    if len(told["theorems"]) == 1:
        [record] = told["theorems"]
        return (tree_dot if form == "dot" else tree_text)(record, seen.tree(record["name"]))
    if form == "dot":
        raise ConfigError("a graph shows one theorem:", [f"name one of the {len(told['theorems'])} @ --theorem"])
    return run_text(told)


def _write(text: str, output: Path | None) -> None:
    from leanebm.pipeline.run_folder import write_text

    if output is None:
        echo(text)
    else:
        write_text(output, text + "\n")
        echo(str(output))


def _serve(runs: list[Path], theorem: str | None, port: int) -> None:
    from leanebm.pipeline.view.server import ViewServer

    for run in runs:
        if not run.exists():
            echo(f"{run} is not there yet; the page shows it once it is", err=True)

    async def serving() -> None:
        async with ViewServer(runs, theorem=theorem, port=port) as server:
            echo(f"look at {server.url} (Ctrl-C ends it)", err=True)
            await server.serve_forever()

    try:
        run_to_end(serving())
    except Interrupted:
        echo("Stopped.", err=True)
