"""Compiling our REPL for the embedded Lean, once for each version of its source."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Final

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded._child import run_child
from leanebm.lean.embedded.embedded_lean import node_flags, worker_environment

__all__ = ["compile_repl", "repl_key"]

logger = logging.getLogger(__name__)

_COMPILE_DEADLINE_S = 600.0
_STACK_KIB: Final = 6_000  # the main thread keeps the 8 MiB that every system gives it
_SOURCE_NAMES: Final = ("Repl.lean", "compile.lean")


def repl_key(runtime_key: str, sources: Path) -> str:
    """Names one compiled REPL: changes when its source, its compiler or the Lean below it does."""
    digest = hashlib.sha256(runtime_key.encode())
    for name in _SOURCE_NAMES:
        content = (sources / name).read_bytes()
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()[:16]


def compile_repl(node: Path, runtime: Path, into: Path, sources: Path) -> None:
    """Compile ``Repl.lean`` to ``into / "Repl.olean"``; takes half a minute and 1.7 GB.

    Raises:
        LeanInstallError: Lean refused the source, or did not finish; its messages are in the error.
    """
    source, compiler = (sources / name for name in _SOURCE_NAMES)
    out = into / "Repl.olean"
    flags = node_flags(_STACK_KIB)
    files = (sources / "launch_compile.js", runtime, runtime / "lib", compiler, source, out)
    argv = [str(node), *flags, *map(str, files)]
    result = run_child(argv, cwd=into, env=worker_environment(), deadline_s=_COMPILE_DEADLINE_S)
    if result.timed_out:
        raise LeanInstallError(f"compiling {source.name} did not end within {_COMPILE_DEADLINE_S:.0f} s")
    if result.status != 0 or not out.is_file():
        raise LeanInstallError(
            f"{source.name} could not be compiled (exit status {result.status}); if you did not change it, "
            f"please report this. Lean said:\n{result.output}"
        )
    if result.output:
        logger.debug("compiling %s: %s", source.name, result.output)
