"""The prepared embedded Lean: where its parts are, and how a worker of it is started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.lean.backends.base import WorkerCommand, minimal_environment

REPL_SOURCES: Final = Path(__file__).resolve().parent.parent / "repl"
"""Our own Lean and JavaScript."""

_STACK_MIB: Final = 160
_V8_STACK_KIB: Final = 120_000  # under _STACK_MIB, with room for what V8 does not count


@attrs.frozen(kw_only=True)
class EmbeddedLean:
    """A complete installation. Nothing in it changes while it is used."""

    node: Path = attrs.field(converter=Path)
    """The Node.js executable."""

    runtime: Path = attrs.field(converter=Path)
    """Folder of the patched ``lean.js``, of ``lean.wasm`` and of ``lib``."""

    repl: Path = attrs.field(converter=Path)
    """Folder of the compiled REPL: ``Repl.olean``; ``ReplProgram.olean``, which is its code alone; and ``Init.image``,
    Lean's memory when a worker over ``Init`` is about to be ready."""

    lean_version: str
    """The version of Lean that the pinned package holds."""

    __repr__ = fitting_repr

    @property
    def library(self) -> Path:
        """Folder of the library's ``.olean`` files."""
        return self.runtime / "lib"

    def absent(self, modules: Iterable[str]) -> tuple[str, ...]:
        """Those of ``modules`` that this Lean does not have."""
        files = ((module, self.library.joinpath(*module.split(".")).with_suffix(".olean")) for module in modules)
        return tuple(module for module, file in files if not file.is_file())

    def worker_command(self, imports: Sequence[str] = ("Init",)) -> WorkerCommand:
        """What starts a worker whose theorems are stated over the modules ``imports``.

        Modules other than ``Init``, ``Std``, ``Lean`` and what they hold are not there; a worker
        that is asked for one says so and ends.
        """
        return WorkerCommand(
            backend="embedded",
            argv=(
                str(self.node),
                *node_flags(_V8_STACK_KIB),
                str(REPL_SOURCES / "launch.js"),
                str(self.runtime / "lean.js"),
                "ReplProgram",
                *imports,
            ),
            env=worker_environment() | {"LEAN_PATH": f"{self.library}:{self.repl}"},
            cwd=self.runtime,
            stack_mib=_STACK_MIB,
        )


def node_flags(stack_kib: int) -> tuple[str, ...]:
    """V8 compiles a function of the module's 200 000 when it is first called, and lets the stack grow this far."""
    return (f"--stack-size={stack_kib}", "--wasm-lazy-compilation", "--wasm-lazy-validation")


def worker_environment() -> dict[str, str]:
    """The minimal environment; the build is instrumented and would leave a profile where it runs."""
    return minimal_environment(LLVM_PROFILE_FILE="/dev/null")
