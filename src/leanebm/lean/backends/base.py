"""What the pool asks of a Lean backend."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Protocol

import attrs

from leanebm._shown import fitting_repr

_INHERITED = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "ELAN_HOME",
    "ELAN_TOOLCHAIN",
    "LEAN_SYSROOT",
    "XDG_CACHE_HOME",
)


def minimal_environment(**extra: str) -> dict[str, str]:
    """The few variables that a worker needs from ours, plus ``extra``.

    A worker runs tactics that a language model wrote, so it is not given our keys and tokens.
    """
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | extra


class Dialect(Enum):
    """What a worker understands."""

    LEANEBM = "leanebm"
    """Our REPL's additions: a theorem comes with its header, a tactic with its time limit, every answer repeats its
    request's nonce, and ``proof.certify`` certifies."""

    PANTOGRAPH = "pantograph"
    """Plain Pantograph's protocol, without any of these."""


@attrs.frozen(kw_only=True)
class WorkerCommand:
    """A program that speaks the worker protocol on its standard input and output."""

    backend: str
    """The backend's name, for certificates, logs and error messages."""

    argv: tuple[str, ...] = attrs.field(validator=attrs.validators.min_len(1))
    """The program and its arguments; never passed through a shell."""

    env: Mapping[str, str] = attrs.field(factory=minimal_environment)
    """The whole environment of the process; nothing else is inherited."""

    cwd: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Its working directory; ours when not given."""

    stack_mib: int | None = attrs.field(default=None, validator=attrs.validators.optional(attrs.validators.ge(1)))
    """Stack that the main thread may grow to, in MiB, as far as the hard limit allows; unchanged when not given."""

    dialect: Dialect = Dialect.LEANEBM
    """Which form of the protocol it speaks."""

    lean_version: str = ""
    """The version of Lean that it runs, for a program that does not say so itself; empty where nobody knows."""

    modules_note: str = ""
    """What to do where it lacks a module, in words, for error messages; empty where there is nothing special to say."""

    toolchain: bool = False
    """Whether elan and Lake have a part in its start, so that advice about them fits what it says when it fails."""

    __repr__ = fitting_repr


class LeanBackend(Protocol):
    """Knows how to start one kind of Lean worker. Any object with these members will do."""

    @property
    def name(self) -> str:
        """A short name for certificates, logs and statistics."""
        ...

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Make sure the backend is usable and say what starts a worker over ``imports``.

        Called once by a pool, in a thread, for it may block: it may download, unpack, or run ``lake``.

        Raises:
            LeanInstallError: it is not usable; the message says what to install or run.
        """
        ...
