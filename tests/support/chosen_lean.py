"""The Lean that the suites run over: the embedded one, or one that ``--lean-backend`` names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import attrs

from leanebm.lean import EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.lean.backends.base import WorkerCommand

NAMES: Final = ("embedded", "native", "pantograph")


@attrs.frozen(kw_only=True)
class ChosenLean:
    """A backend, and the modules that theorems are stated over."""

    backend: LeanBackend
    imports: tuple[str, ...] = ("Init",)

    @classmethod
    def named(cls, name: str, project: Path | None, program: Path | None, imports: tuple[str, ...]) -> ChosenLean:
        """The backend of that name, over a Lake project if one is given; ``program`` is a Pantograph's."""
        backend: LeanBackend = EmbeddedBackend()
        if name == "native":
            backend = NativeBackend(project=project)
        elif name == "pantograph" and program is not None:
            backend = PantographBackend(binary=program, project=project)
        elif name == "pantograph":
            backend = LeanPoolConfig.with_bundled_pantograph(project).backend
        return cls(backend=backend, imports=imports)

    @property
    def is_embedded(self) -> bool:
        return self.backend.name == "embedded"

    @property
    def is_ours(self) -> bool:
        """Whether its workers run our REPL, and not plain Pantograph."""
        return not isinstance(self.backend, PantographBackend)

    def config(self, **settings: Any) -> LeanPoolConfig:
        """Workers that take their time: what fails is to fail for what it is, not because the machine is busy."""
        return LeanPoolConfig(backend=self.backend, imports=self.imports, **{"tactic_timeout_s": 25.0, **settings})

    def command(self, *arguments: str) -> WorkerCommand:
        """What starts a worker; ``arguments`` in place of the imports go to it unseen."""
        command = self.backend.prepare(self.imports)
        front = command.argv[: len(command.argv) - len(self.imports)]
        # Tests compare texts as Lean prints them by itself, and the usual project of Mathlib's has `fun x ↦ y`.
        printing = ("--pp.unicode.fun=false",) if isinstance(self.backend, NativeBackend) else ()
        return attrs.evolve(command, argv=(*front, *printing, *(arguments or self.imports)))
