"""What we add to click: sections of options, the words for parts below them, choices, and options of many commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, final

import click

from leanebm._shown import hint
from leanebm.cli._part_words import PART_WORDS
from leanebm.errors import ConfigError

_ELSEWHERE: Final = "Options"
_ORDER: Final = (_ELSEWHERE, "Theorems", "Search", "Policy and its server", "Energy", "Lean")


class SectionOption(click.Option):
    """An option that belongs to a section of ``--help``."""

    def __init__(self, *arguments: Any, section: str = _ELSEWHERE, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose ``--help`` has sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section, and then each kind of part that an option takes."""
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in _ORDER}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                sections[getattr(parameter, "section", _ELSEWHERE)].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)
        options = {option for parameter in self.params for option in parameter.opts}
        for kind, words in PART_WORDS.items():
            if words.option in options and (rows := list(words.rows())):
                with formatter.section(f"{words.plural}, for {words.option} (settings: leanebm parts {kind})"):
                    formatter.write_dl(rows)


@final
class Choice(click.Choice[str]):
    """:class:`click.Choice`, which says also what was probably meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word that was given.

        Raises:
            click.BadParameter: it is not one of them.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            close = hint(value, [str(choice) for choice in self.choices])
            self.fail(f"{error.message.rstrip('.')}{close}", param, ctx)


def decorated(command: Any, options: Sequence[Callable[[Any], Any]]) -> Any:
    """``command`` under all these decorators, the first one outermost, so that ``--help`` lists it first."""
    for option in reversed(options):
        command = option(command)
    return command


def output_option(
    help_: str, *, is_file: bool = False, required: bool = True, suffix: str | None = None, is_new: bool = False
) -> Callable[[Any], Any]:
    """Add ``--output``, a folder or a file; where nothing can be written, the command does nothing.

    Args:
        help_: what goes there.
        is_file: whether it is a file.
        required: whether it must be given.
        suffix: what the file's name must end in, for others to know how it is written.
        is_new: whether a file that is there already is refused, because what it holds took long to make.
    """
    kind = click.Path(file_okay=is_file, dir_okay=not is_file, path_type=Path)
    metavar = "FILE" if is_file else "FOLDER"

    def checked(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and suffix not in (None, path.suffix):
            raise ConfigError(f"{path} should end in {suffix}, as it is written so @ --output")
        if is_new and path is not None and path.is_file():
            raise ConfigError(f"{path} already exists: move it away, or name another file @ --output")
        return writable_before_any_work(context, parameter, path)

    return click.option("--output", required=required, type=kind, metavar=metavar, help=help_, callback=checked)


def writable_before_any_work(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """A click callback: ``path``, unless nothing could be written there once the work is done.

    A link to a file gives that file: what is put in place whole would take the place of the link, ``/dev/stdout`` too.

    Raises:
        ConfigError: nothing can be written there.
    """
    if path is not None:
        from leanebm.storage import refuse_unwritable

        refuse_unwritable(path)
        if path.is_symlink() and not path.is_dir():
            return path.resolve()
    return path


def count_option(name: str, default: int, help_: str, *, least: int = 1, metavar: str = "N") -> Callable[[Any], Any]:
    """Add an option that takes a whole number, ``least`` or more."""
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, default=default, show_default=True, metavar=metavar, help=help_)


def seconds_option(name: str, default: float, help_: str) -> Callable[[Any], Any]:
    """Add an option that takes a number of seconds above 0."""
    kind = click.FloatRange(min=0.0, min_open=True)
    return click.option(name, type=kind, default=default, show_default=True, metavar="S", help=help_)
