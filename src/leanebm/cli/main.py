"""The ``leanebm`` command itself."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import click

from leanebm.cli._running import failing_clearly
from leanebm.cli.certify import certify
from leanebm.cli.demo import demo
from leanebm.cli.doctor import doctor
from leanebm.cli.ebm_report import ebm_report
from leanebm.cli.export_pairs import export_pairs
from leanebm.cli.extract_library import extract_library
from leanebm.cli.generate_negatives import generate_negatives
from leanebm.cli.probe import probe
from leanebm.cli.prove import prove
from leanebm.cli.search import search
from leanebm.cli.serve import serve
from leanebm.cli.summary import summary
from leanebm.cli.train_ebm import train_ebm

__all__ = ["main"]


class _StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time, which a live display replaces for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # the base class assigns it once
        return sys.stderr


class _ClearGroup(click.Group):
    """Turns what leanebm raises on purpose into one message and an exit status."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        typed = list(args)  # parsing eats them
        context = super().make_context(info_name, args, *rest, **extra)
        context.meta["leanebm.typed"] = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        with failing_clearly():
            return super().invoke(ctx)


@click.group(cls=_ClearGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("-v", "--verbose", count=True, help="Log what happens inside to standard error; twice for every step.")
@click.version_option(package_name="leanebm")
def main(verbose: int) -> None:
    """Prove Lean 4 theorems: a policy proposes tactics, search spends the budget, Lean decides.

    Exit status: 0 for success, 1 if no certified proof was found, 2 if the input is wrong (every mistake
    is listed), 3 if something broke, 130 if you stopped it.
    """
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else "%(levelname)s: %(message)s"
    logging.basicConfig(level=level, format=form, handlers=[_StandardErrorHandler()])


for _command in (
    certify,
    demo,
    doctor,
    ebm_report,
    export_pairs,
    extract_library,
    generate_negatives,
    probe,
    prove,
    search,
    serve,
    summary,
    train_ebm,
):
    main.add_command(_command)
