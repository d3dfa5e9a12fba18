"""A worker started by a command line of your own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import final

import attrs

from leanebm._shown import fitting_repr
from leanebm.lean.backends.base import Dialect, WorkerCommand, minimal_environment


@final
@attrs.frozen(kw_only=True)
class CommandBackend:
    """Any program that speaks the worker protocol: a REPL you built, or a scripted one in a test."""

    argv: tuple[str, ...] = attrs.field(validator=attrs.validators.min_len(1))
    """The program and its arguments; the imports are appended to them."""

    env: Mapping[str, str] = attrs.field(factory=dict)
    """Variables added to the minimal environment that a worker gets."""

    cwd: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Working directory of the program; ours when not given."""

    name: str = "command"
    """What certificates and logs call it."""

    dialect: Dialect = Dialect.LEANEBM
    """Whether it is our REPL, or speaks as plain Pantograph does."""

    __repr__ = fitting_repr

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Append ``imports`` to the command line; nothing is checked before a worker starts."""
        return WorkerCommand(
            backend=self.name,
            argv=(*self.argv, *imports),
            env=minimal_environment(**self.env),
            cwd=self.cwd,
            dialect=self.dialect,
            modules_note="your own command has to find it: set LEAN_PATH among its `env`, or correct the imports",
        )
