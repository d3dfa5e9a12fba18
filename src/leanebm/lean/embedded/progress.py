"""How an installation tells what it is doing."""

from __future__ import annotations

import enum
from typing import Protocol

__all__ = ["InstallProgress", "InstallStage", "silent"]


class InstallStage(enum.Enum):
    """The steps of an installation, in their order; steps already done are skipped."""

    WAIT = "waiting for another process that is installing"
    DOWNLOAD = "downloading"
    VERIFY = "checking the hash"
    UNPACK = "unpacking"
    PATCH = "preparing for a fast start"
    COMPILE = "compiling the REPL"


class InstallProgress(Protocol):
    """Is told of each step, in the thread that installs. An exception it raises ends the installation cleanly."""

    def __call__(self, stage: InstallStage, fraction: float | None) -> None:
        """``fraction`` of ``stage`` is done, in [0, 1]; ``None`` where that is not known."""
        ...


def silent(stage: InstallStage, fraction: float | None) -> None:
    """Tell nobody."""
