"""The ``leanebm`` command itself, which loads a command's module only when that command is called."""

from __future__ import annotations

import ast
import importlib
import logging
import sys
from pathlib import Path
from typing import Any, TextIO

import click

from leanebm._shown import hint, printable
from leanebm.cli._running import failing_clearly

_FOLDER = Path(__file__).parent


class _StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at the time, which a live display replaces for a while."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    def format(self, record: logging.LogRecord) -> str:
        """The record, without power over a terminal."""
        return printable(super().format(record))

    @property
    def stream(self) -> TextIO:  # type: ignore[override] # the base class assigns it once
        return sys.stderr


class _Commands(click.Group):
    """Every public module beside this one is a command: ``ebm_report.py`` defines ``ebm_report``, for ``ebm-report``.

    What leanebm raises on purpose becomes one message and an exit status.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        names = (file.stem for file in _FOLDER.glob("*.py"))
        return sorted(name.replace("_", "-") for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"leanebm.cli.{name}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command {name!r}{hint(name, self.list_commands(ctx)) or '.'}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name, limit)) for name in names])

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        typed = list(args)  # parsing eats them
        context = super().make_context(info_name, args, *rest, **extra)
        context.meta["leanebm.typed"] = typed
        return context

    def invoke(self, ctx: click.Context) -> Any:
        with failing_clearly():
            return super().invoke(ctx)


def _summary(command: str, limit: int) -> str:
    return click.Command(command, help=_documentation(command)).get_short_help_str(limit)


def _documentation(command: str) -> str:
    """A command's docstring, read from its source: importing all commands to list them takes most of a second."""
    name = command.replace("-", "_")
    module = ast.parse((_FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == name]
    return ast.get_docstring(functions[0]) or ""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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
