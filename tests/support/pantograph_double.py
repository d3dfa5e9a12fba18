"""The program of ``pantograph/Double.lean``: what a Pantograph that somebody built would be, over the embedded Lean."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import attrs
from scripted_toolchain import shell_line, write_program

from leanebm.lean.embedded import EmbeddedLean
from leanebm.lean.embedded._prepared_folder import compile_module
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES

_SOURCES: Final = Path(__file__).parent / "pantograph"

VERSIONS: Final = ("0.3.4", "0.3.15")
"""The oldest and the newest that the double tells apart."""


def compile_double(lean: EmbeddedLean, folder: Path) -> Path:
    """Compile the double into ``folder``, beside the REPL that it imports; takes some seconds."""
    folder = folder.resolve()
    shutil.copy(lean.repl / "Repl.olean", folder)
    compile_module(lean.node, lean.runtime, _SOURCES / "Double.lean", folder / "Double.olean", REPL_SOURCES)
    return folder


def write_pantograph(lean: EmbeddedLean, compiled: Path, checkout: Path, version: str = VERSIONS[-1]) -> Path:
    """A ``repl`` of that version where Pantograph's checkout has it."""
    command = lean.worker_command(())
    node, *rest = command.argv
    flags = rest[: rest.index(str(REPL_SOURCES / "launch.js"))]
    launcher = (str(_SOURCES / "launch.js"), str(REPL_SOURCES), str(lean.runtime / "lean.js"), version)
    command = attrs.evolve(
        command,
        argv=(node, *flags, *launcher),
        env={**command.env, "LEAN_PATH": f"{lean.library}:{compiled}"},
    )
    (checkout / ".lake" / "build" / "bin").mkdir(parents=True)
    (checkout / "lean-toolchain").write_text("leanprover/lean4:v4.28.0\n", encoding="utf-8")
    asked = f'if [ "$*" = --version ]; then echo {version}; exit; fi; '
    return write_program(checkout / ".lake" / "build" / "bin" / "repl", asked + shell_line(command))
