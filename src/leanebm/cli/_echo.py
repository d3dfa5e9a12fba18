"""The only way to print a line: what theorems, Lean and models wrote cannot steer the terminal."""

from __future__ import annotations

import json
from typing import Any

import click

from leanebm._shown import printable


def echo(text: str, *, err: bool = False, nl: bool = True) -> None:
    """:func:`click.echo`, with control characters written out."""
    click.echo(printable(text), err=err, nl=nl)


def echo_json(value: Any) -> None:
    """Print ``value`` as JSON, which it stays: the escapes are JSON's own."""
    echo(json.dumps(value, ensure_ascii=False, indent=2))
