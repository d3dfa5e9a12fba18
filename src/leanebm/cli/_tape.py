"""``--record`` and ``--replay``: a run on a cassette, for the commands that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, final

import attrs
import click

from leanebm.cli._echo import echo
from leanebm.cli._sections import decorated
from leanebm.errors import ConfigError

if TYPE_CHECKING:
    from leanebm.cassette import Cassette
    from leanebm.core import Theorem
    from leanebm.pipeline import RunConfig

C = TypeVar("C", bound=Callable[..., Any])

_TAPE: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--record",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Record what Lean, the policy and the energy model answer, in one file for a bug report.",
    ),
    click.option(
        "--replay",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Take all answers from such a file, and its settings; nothing is started, and Lean is not asked again.",
    ),
)


def tape_options(command: C) -> C:
    """Add ``--record`` and ``--replay``; above ``run_options``, which gives the command them as one ``tape``."""
    return cast("C", decorated(command, _TAPE))


@final
@attrs.frozen
class Tape:
    """What ``--record`` or ``--replay`` says."""

    record: Path | None = None
    replay: Path | None = None
    cassette: Cassette | None = None
    """What is replayed."""

    @classmethod
    def of(cls, record: Path | None, replay: Path | None) -> Self:
        """Read what is to be replayed, if anything is."""
        if record is not None and replay is not None:
            raise click.UsageError("give --record or --replay, not both")
        if replay is None:
            return cls(record)
        from leanebm.cassette import Cassette

        return cls(None, replay, Cassette.replay(replay))

    @property
    def settings(self) -> str:
        """The settings that are replayed, as TOML; empty if none are."""
        from leanebm.pipeline import recorded_toml

        return "" if self.cassette is None else recorded_toml(self.cassette)

    def check(self, config: RunConfig) -> None:
        """Refuse what can be known to be wrong before anything is started.

        Raises:
            ConfigError: it cannot be recorded into this file, or what is recorded could not be replayed.
        """
        if self.record is None:
            return
        from leanebm.pipeline import refuse_clock
        from leanebm.storage import refuse_unwritable

        refuse_clock(config)
        refuse_unwritable(self.record)
        if self.record.exists():
            raise ConfigError(f"{self.record} already exists", ["remove it, or name another file @ --record"])

    @contextmanager
    def opening(self, config: RunConfig, theorems: Sequence[Theorem]) -> Iterator[dict[str, Any]]:
        """The arguments by which a run of ``theorems`` is recorded or replayed; none if it is neither."""
        from leanebm.pipeline import taped

        self.check(config)
        if self.cassette is not None:
            said = f"replaying {self.replay}: neither Lean nor a model is asked; their recorded answers are believed"
            echo(said, err=True)
            yield {"opening": taped(self.cassette)}
        elif self.record is not None:
            from leanebm.cassette import Cassette

            with Cassette.record(self.record) as cassette:
                cassette.note_theorems(theorems)
                yield {"opening": taped(cassette)}
        else:
            yield {}
