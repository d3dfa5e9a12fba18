"""Whether a Lean starts on this machine: one worker is started, asked what it is, and ended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import attrs

from leanebm._background import Background
from leanebm._shown import fitting_repr
from leanebm.errors import ConfigError, LeanError
from leanebm.lean._worker import LeanWorker
from leanebm.lean.backends.base import LeanBackend
from leanebm.lean.config import LeanPoolConfig
from leanebm.lean.requests import lean_version


@attrs.frozen(kw_only=True)
class LeanProbe:
    """What one worker that started was like."""

    lean_version: str
    """The version that it says, or that its toolchain is known to have; empty where nobody knows."""

    start_s: float
    """Seconds from the start of its process to its first answer."""

    rss_mib: float
    """Its resident memory then, in MiB."""

    __repr__ = fitting_repr


def probe(backend: LeanBackend, imports: Sequence[str] = ("Init",)) -> LeanProbe:
    """Start a worker of ``backend`` over ``imports``, and end it. Blocks, for as long as a start may take.

    May be called where an event loop is running, which then stands still.

    Raises:
        LeanInstallError, ConfigError: the backend is not usable.
        WorkerStartError: the worker never became ready.
        WorkerLost: it ended when it was asked for its version.
    """
    config = LeanPoolConfig(backend=backend, num_workers=1, imports=imports)
    background = Background(LeanWorker.running(config), name="a first Lean worker")
    background.start()
    try:
        worker = background.value
        version = background.call(worker.request(lean_version())) or worker.command.lean_version
        return LeanProbe(lean_version=version, start_s=worker.start_s, rss_mib=worker.rss_mib)
    finally:
        background.stop()


def tried(backend: LeanBackend, imports: Sequence[str] = ("Init",)) -> LeanProbe | str:
    """What one worker was like, or in one line why none starts. Tried once in a process, so ``backend`` is hashable."""
    return _tried(backend, tuple(imports), os.environ.get("PATH", ""))  # type: ignore[arg-type] # ours are hashable


@cache
def _tried(backend: LeanBackend, imports: tuple[str, ...], _: str) -> LeanProbe | str:
    try:
        return probe(backend, imports)
    except (ConfigError, LeanError) as error:
        return " ".join(str(error).split())
