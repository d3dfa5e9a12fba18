from __future__ import annotations

from collections.abc import Sequence

import attrs
from fake_worker import fake_worker_argv

from leanebm.lean import CommandBackend
from leanebm.lean.backends.base import WorkerCommand


@attrs.frozen
class ScriptedLean:
    """A worker whose every statement is proved by ``step``, then ``done``."""

    name: str = "scripted"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        return CommandBackend(argv=fake_worker_argv(), name=self.name).prepare(imports)
