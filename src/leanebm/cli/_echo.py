"""The only way to print a line: what theorems, Lean and models wrote cannot steer the terminal."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from leanebm._shown import printable


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """:func:`click.echo`, with control characters written out."""
    click.echo(printable(text), err=err, nl=nl)


def end_progress() -> None:
    """Part what a person saw happen from the results below it; a log has no use for the empty line."""
    if sys.stderr.isatty():
        echo("", err=True)


def echo_json(value: Any) -> None:
    """Print ``value`` as JSON, which it stays: the escapes are JSON's own."""
    echo(json.dumps(value, ensure_ascii=False, indent=2))
