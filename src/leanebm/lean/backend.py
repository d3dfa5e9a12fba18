"""What the pool asks of a Lean backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from leanebm.lean.worker_command import WorkerCommand

__all__ = ["LeanBackend"]


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
