"""Our REPL's source under the user's own ``lean``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import final

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean.backends.base import WorkerCommand, minimal_environment
from leanebm.lean.backends.toolchain import program


@final
@attrs.frozen(kw_only=True)
class NativeBackend:
    """A Lean toolchain on ``PATH``, inside a Lake project if one is named. Mathlib does not work yet."""

    project: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Directory of a built Lake project whose modules theorems may import."""

    @property
    def name(self) -> str:
        """``native``."""
        return "native"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Find ``lean`` (and ``lake``, for a project), and run the REPL's source with it.

        Raises:
            LeanInstallError: a program is not on ``PATH``, or the project is not a Lake project.
        """
        lean = (program("lean"),) if self.project is None else (program("lake"), "env", "lean")
        if self.project is not None and not _is_lake_project(self.project):
            raise LeanInstallError(
                f"{self.project} holds neither lakefile.lean nor lakefile.toml, so it is not a Lake project; "
                "name the directory that does, and run 'lake build' in it"
            )
        return WorkerCommand(
            backend=self.name,
            argv=(*lean, "--run", str(repl_source()), *imports),
            # A panic must end the worker: by default Lean goes on with a made-up value.
            env=minimal_environment(LEAN_ABORT_ON_PANIC="1"),
            cwd=self.project,
            memory_note="0.5 GB over Init, 2 to 6 GB over Mathlib (mostly shared between workers)",
        )


def repl_source() -> Path:
    """Where the REPL's Lean source lies inside the package."""
    # The package is installed as plain files (never a zip), so the path outlives the context.
    with as_file(files("leanebm.lean") / "repl" / "Repl.lean") as path:
        return path


def _is_lake_project(directory: Path) -> bool:
    return any((directory / name).is_file() for name in ("lakefile.lean", "lakefile.toml"))
