"""What we add to click: sections of options, the words for parts below them, choices, and options of many commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, final

import attrs
import click

from leanebm._shown import hint
from leanebm.errors import ConfigError

_ELSEWHERE: Final = "Options"
_ORDER: Final = (_ELSEWHERE, "Theorems", "Search", "Policy and its server", "Energy", "Lean")


@attrs.frozen
class PartWords:
    """The words that pick a part of one kind, for ``--help``; ``leanebm parts`` says more, and takes longer."""

    option: str
    """The option that takes the words."""

    plural: str
    """What ``--help`` calls them, with a capital."""

    group: str
    """The entry-point group of the words that packages add."""

    ours: dict[str, str]
    """Our words, in their order, each with a line."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Each word with a line: ours, and those that installed packages register, which are not imported for it."""
        yield from self.ours.items()
        for entry in sorted(entry_points(group=self.group)):
            package = "" if entry.dist is None else f" of {entry.dist.name}"
            yield entry.name, f"{entry.value}{package}"


PART_WORDS: Final = {
    "scorer": PartWords(
        "--scorer",
        "Scorers",
        "leanebm.scorers",
        {
            "breadth_first": "Every state before any deeper one.",
            "cumulative": "The likeliest path first: its log-probabilities, summed.",
            "depth_first": "The newest path to its end. A control.",
            "depth_ramp": "Another scorer that counts the more, the deeper a state is; a term of weighted_sum.",
            "goal_count": "The fewest goals first; a term of weighted_sum.",
            "length_normalised": "The likeliest path first, by its length to the power alpha.",
            "negative_energy": "The lowest energy first.",
            "oracle": "States on a proof that an earlier run found first: what a perfect order would gain.",
            "random": "In a random order, the same for a seed. A control.",
            "shortest_state": "The shortest text first. What an energy has to beat.",
            "weighted_sum": "Several scorers, weighed against each other; the default with an energy head.",
        },
    ),
    "policy": PartWords("--policy", "Policies", "leanebm.policies", {}),
    "search": PartWords(
        "--search",
        "Searches",
        "leanebm.searches",
        {
            "and_or": "Goals that share no metavariable, each proved by itself.",
            "beam": "The best states of each depth, then one deeper.",
            "best_first": "The most promising state first.",
            "cheap_first": "Best first; of its candidates, those first that succeed often per second.",
            "depth_first": "The likeliest tactic that works, and back where none does.",
            "distinct_heads": "Best first; few candidates that begin with the same word.",
            "limits": "Best first; states whose last tactics changed only hypotheses come later.",
            "portfolio": "Best first by two scorers in turn.",
            "probing": "Best first; a few tactics are tried on a state before the policy is asked.",
            "puct": "Monte-Carlo tree search.",
            "whole_proofs": "Best first; a candidate may be a whole proof, and is followed as far as it goes.",
        },
    ),
    "energy-model": PartWords("--energy-model", "Energy models", "leanebm.energy_models", {}),
    "encoder": PartWords(
        "--state-encoder",
        "Encoders",
        "leanebm.encoders",
        {"counts": "Eight counts of a state: sizes, goals, hypotheses, symbols. What an embedding has to beat."},
    ),
    "backend": PartWords(
        "--lean",
        "Leans",
        "leanebm.lean_backends",
        {
            "auto": "The best that is here: pantograph, native or embedded.",
            "command": "Any program that speaks the protocol; its command line is the setting argv.",
            "embedded": "Lean 4.28 as WebAssembly, which leanebm downloads once.",
            "native": "The lean on PATH, in a Lake project with --project.",
            "pantograph": "A Pantograph that you built: the setting binary, or vendor/Pantograph.",
        },
    ),
}
"""By the word that ``leanebm check --kind`` has for it. As :data:`~leanebm.pipeline.parts.FAMILIES` has them; to import
that would load what runs Lean."""


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
    help_: str, *, is_file: bool = False, required: bool = True, suffix: str | None = None
) -> Callable[[Any], Any]:
    """Add ``--output``, a folder or a new file; where nothing can be written, the command does nothing.

    Args:
        help_: what goes there.
        is_file: whether it is a file.
        required: whether it must be given.
        suffix: what the file's name must end in, for others to know how it is written.
    """
    kind = click.Path(file_okay=is_file, dir_okay=not is_file, path_type=Path)
    metavar = "FILE" if is_file else "FOLDER"

    def checked(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
        if path is not None and suffix not in (None, path.suffix):
            raise ConfigError(f"{path} should end in {suffix}, as it is written so @ --output")
        return (new_before_any_work if is_file else writable_before_any_work)(context, parameter, path)

    return click.option("--output", required=required, type=kind, metavar=metavar, help=help_, callback=checked)


_OVERWRITE: Final = "leanebm.overwrite"
"""Where a context keeps what ``--overwrite`` says, in a command that has it."""


def overwrite_option(command: Any) -> Any:
    """Add ``--overwrite``, for a command whose files are quickly made again."""

    def note(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta[_OVERWRITE] = value

    # Eager, so that it is known when a path is looked at, whichever was typed first.
    return click.option(
        "--overwrite",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=note,
        help="Write over the file if it is there.",
    )(command)


def new_before_any_work(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """A click callback: as :func:`writable_before_any_work`, and no file that is there already.

    Raises:
        ConfigError: nothing can be written there; or a file is there, and ``--overwrite`` is not given.
    """
    may_overwrite = context.meta.get(_OVERWRITE)
    # What /dev/stdout leads to is nobody's choice of a name.
    if path is not None and path.is_file() and not may_overwrite and path.parts[:2] != ("/", "dev"):
        way_out = "move it away" if may_overwrite is None else "add --overwrite to write over it"
        raise ConfigError(f"{path} already exists: {way_out}, or name another file @ {parameter.opts[0]}")
    return writable_before_any_work(context, parameter, path)


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
