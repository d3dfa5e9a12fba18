"""Our REPL's source under the user's own ``lean``."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import final

import attrs

from leanebm.errors import LeanInstallError
from leanebm.lean.backends._native_program import binary_in, native_program
from leanebm.lean.backends._project_settings import lean_settings
from leanebm.lean.backends.base import WorkerCommand, minimal_environment
from leanebm.lean.backends.toolchain import how_to_build, program, run_tool, search_path


@final
@attrs.frozen(kw_only=True)
class NativeBackend:
    """A Lean toolchain on ``PATH``, inside a Lake project if one is named. Nobody has run it with Mathlib."""

    project: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """Directory of a built Lake project whose modules theorems may import."""

    @property
    def name(self) -> str:
        """``native``."""
        return "native"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        """Build the REPL for this toolchain if that was not done yet, or else have its source interpreted.

        Raises:
            LeanInstallError: a program is not on ``PATH``, the project is not a Lake project, or its Lean is too old
                or too new for the REPL.
        """
        if self.project is not None and not _is_lake_project(self.project):
            raise LeanInstallError(
                f"{self.project} holds neither lakefile.lean nor lakefile.toml, so it is not a Lake project; "
                "name the directory that does, and run 'lake build' in it"
            )
        lake = program("lake") if self.project is not None else shutil.which("lake")
        lean = program("lean")
        if self.project is not None:
            search_path(self.project)  # what is wrong with the project is told now, and once
        package = None if lake is None else native_program(repl_source(), self.project)
        settings = () if self.project is None else lean_settings(self.project)
        argv = _interpreted(lake, lean, self.project) if package is None else _built(lake or "", package, self.project)
        return WorkerCommand(
            backend=self.name,
            argv=(*argv, *settings, *imports),
            # A panic must end the worker: by default Lean goes on with a made-up value.
            env=minimal_environment(LEAN_ABORT_ON_PANIC="1"),
            cwd=self.project or package,
            modules_note="" if self.project is None else how_to_build(self.project),
        )


def _interpreted(lake: str | None, lean: str, project: Path | None) -> tuple[str, ...]:
    return (*((lean,) if project is None or lake is None else (lake, "env", "lean")), "--run", str(repl_source()))


def _built(lake: str, package: Path, project: Path | None) -> tuple[str, ...]:
    said = run_tool([program("lean"), "--print-prefix"], project or package).output
    # Elan may say something of its own.
    sysroot = next((line for line in reversed(said.splitlines()) if Path(line).is_absolute()), None)
    if sysroot is None:
        raise LeanInstallError(f"`lean --print-prefix` names no folder but says {said[:200]!r}: is it Lean 4?")
    return (lake, "env", str(binary_in(package)), "--sysroot", sysroot)


def repl_source() -> Path:
    """Where the REPL's Lean source lies inside the package."""
    # The package is installed as plain files (never a zip), so the path outlives the context.
    with as_file(files("leanebm.lean") / "repl" / "Repl.lean") as path:
        return path


def _is_lake_project(directory: Path) -> bool:
    return any((directory / name).is_file() for name in ("lakefile.lean", "lakefile.toml"))
