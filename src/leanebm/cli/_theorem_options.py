"""Options that say which theorems a command takes, and how their file is read."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from leanebm.cli._sections import Choice, SectionOption, decorated
from leanebm.errors import ConfigError

C = TypeVar("C", bound=Callable[..., Any])

FORMATS = ("text", "jsonl", "json", "csv", "parquet", "lean")
"""As :class:`~leanebm.data.FileFormat` has them; to import it would load what reads Parquet."""

_theorems = functools.partial(click.option, cls=SectionOption, section="Theorems")

max_theorems_option = _theorems(
    "--max-theorems",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take only the first N theorems.",
)

sample_option = _theorems(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take N from all over the set, the same ones each time.",
)

_READING: tuple[Callable[[Any], Any], ...] = (
    _theorems(
        "--format",
        "file_format",
        type=Choice(FORMATS),
        help="How the file is written.  [default: by its suffix]",
    ),
    _theorems(
        "--field",
        multiple=True,
        metavar="PART=COLUMN",
        help="The column that holds the statement, name, header, context or split; repeatable.",
    ),
    _theorems("--split", metavar="NAME", help="Take only the rows of this split."),
)


def theorems_option(**more: Any) -> Callable[[C], C]:
    """Add ``--theorems``, and :func:`reading_options`."""
    option = _theorems(
        "--theorems",
        metavar="FILE",
        default="bundled",
        show_default=True,
        help="What to prove: a file (one statement per line, Lean source, JSON, CSV or Parquet, also as data sets are "
        "published); or 'bundled'; or 'library:train', 'conjectures:train' or 'logic:train', with val and test, too.",
        **more,
    )
    return lambda command: option(reading_options(command))


def reading_options(command: C) -> C:
    """Add the options that say how a file of theorems is read; the command gets them as ``reading``."""

    @functools.wraps(command)
    def with_reading(*, file_format: str | None, field: tuple[str, ...], split: str | None, **parameters: Any) -> Any:
        from leanebm.data import FileFormat, FileReading

        chosen = None if file_format is None else FileFormat(file_format)
        return command(reading=FileReading(format=chosen, fields=_fields(field), split=split), **parameters)

    return cast("C", decorated(with_reading, _READING))


def _fields(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [text for text, (part, _, column) in zip(given, pairs, strict=True) if not (part and column)]:
        raise ConfigError("the command line is wrong:", [f"{text!r} is not PART=COLUMN @ --field" for text in wrong])
    return {part.strip(): column for part, _, column in pairs}
