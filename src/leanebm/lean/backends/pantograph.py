"""The real Pantograph, built by the user."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import final

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean.backends.base import Dialect, WorkerCommand, minimal_environment

_BINARY = Path(".lake", "build", "bin", "repl")
_LAKE_DEADLINE_S = 120.0


@final
@attrs.frozen(kw_only=True)
class PantographBackend:
    """Pantograph's own ``repl`` binary.

    It lacks our extra commands, so that goals are rendered here, a theorem's header may hold
    ``universe`` lines only, and a proof is certified through ``frontend.process``.
    """

    binary: Path = attrs.field(converter=Path)
    """The built program, ``.lake/build/bin/repl`` inside Pantograph's directory."""

    project: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Directory of a built Lake project whose modules theorems may import; same toolchain as the binary."""

    @property
    def name(self) -> str:
        """``pantograph``."""
        return "pantograph"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Check the binary and ask ``lake`` for the project's search path.

        Raises:
            LeanInstallError: the binary or ``lake`` is missing, or ``lake`` failed.
        """
        if not self.binary.is_file():
            raise LeanInstallError(
                f"there is no Pantograph at {self.binary}; build it with 'lake build repl' in its directory, "
                "or use LeanPoolConfig.embedded(), which needs no build"
            )
        search_path = {} if self.project is None else {"LEAN_PATH": _lean_path(self.project)}
        return WorkerCommand(
            backend=self.name,
            argv=(str(self.binary.absolute()), *imports),
            # A panic must end the worker: by default Lean goes on with a made-up value.
            env=minimal_environment(LEAN_ABORT_ON_PANIC="1", **search_path),
            # The toolchain that `lean` resolves to is chosen by the directory it is called from.
            cwd=self.project if self.project is not None else _home_of(self.binary),
            dialect=Dialect.PANTOGRAPH,
            memory_note="0.5 GB over Init, 2 to 6 GB over Mathlib (mostly shared between workers)",
        )


def bundled_pantograph() -> Path | None:
    """The binary of a Pantograph that the user built under ``vendor/Pantograph``, if there is one.

    Looked for under the working directory and under the checkout that this package runs from.
    """
    roots = (Path.cwd(), Path(__file__).parents[4])
    candidates = (root / "vendor" / "Pantograph" / _BINARY for root in roots)
    return next((path for path in candidates if path.is_file()), None)


def _home_of(binary: Path) -> Path | None:
    """The Pantograph checkout around a binary at its usual place."""
    return next((home for home in binary.absolute().parents if home / _BINARY == binary.absolute()), None)


def _lean_path(project: Path) -> str:
    lake = shutil.which("lake")
    if lake is None:
        raise LeanInstallError("'lake' is not on PATH, and only it knows the search path of a Lake project")
    try:
        done = subprocess.run(
            [lake, "env", "printenv", "LEAN_PATH"],
            cwd=project,
            env=minimal_environment(),
            capture_output=True,
            text=True,
            check=True,
            timeout=_LAKE_DEADLINE_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LeanInstallError(f"'lake env' failed in {project}; run 'lake build' there first: {error}") from error
    return done.stdout.strip()
