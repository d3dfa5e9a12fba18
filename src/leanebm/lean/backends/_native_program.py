"""Our REPL compiled for a toolchain of the user's: once per toolchain, as a small Lake package in the cache."""

from __future__ import annotations

import hashlib
import logging
import shutil
from functools import cache
from pathlib import Path
from typing import Final

from leanebm.errors import LeanInstallError
from leanebm.lean._complaints import NOT_UNDERSTOOD
from leanebm.lean.backends.toolchain import lean_of, program, run_tool

_log = logging.getLogger(__name__)

_PACKAGE: Final = """\
name = "leanebm_repl"
defaultTargets = ["repl"]

[[lean_exe]]
name = "repl"
root = "Repl"
supportInterpreter = true # modules of a project may have initializers, which are interpreted
"""

_BINARY = Path(".lake", "build", "bin", "repl")

_BUILD_DEADLINE_S = 1200.0


def native_program(source: Path, project: Path | None) -> Path | None:
    """The package that holds the REPL built for the Lean of ``project``, built now if need be; ``None`` if Lake cannot.

    Blocks, for a minute or two the first time. A build that failed is not tried again in this process.

    Raises:
        LeanInstallError: this Lean does not understand the REPL's source, or there is no ``lean``.
    """
    folder = Path.cwd() if project is None else project
    lean = lean_of(folder)
    toolchain = folder / "lean-toolchain"
    return _built(source, lean, toolchain.read_text(encoding="utf-8") if toolchain.is_file() else None)


def binary_in(package: Path) -> Path:
    """The program that was built in ``package``."""
    return package / _BINARY


@cache
def _built(source: Path, lean: str, toolchain: str | None) -> Path | None:
    # Imported here: what prepares folders belongs to the embedded Lean, which this needs nothing else of.
    from leanebm.lean.embedded import cache_folder
    from leanebm.lean.embedded._prepared_folder import is_complete, locked, prepare_folder
    from leanebm.lean.embedded.download import silent

    digest = hashlib.sha256("\0".join((source.read_text(encoding="utf-8"), _PACKAGE, lean, toolchain or "")).encode())
    root = cache_folder().with_name("native")
    package = root / f"repl-{digest.hexdigest()[:16]}"
    try:
        if not is_complete(package):
            with locked(root, silent):
                if not is_complete(package):
                    _log.warning("compiling our REPL for %s, once: this takes a minute or two", lean)
                    prepare_folder(package, lambda content: _build(content, source, lean, toolchain))
    except (OSError, _BuildFailedError) as error:
        _log.warning("our REPL is interpreted, which is slower, for it cannot be built: %s", error)
        return None
    return package


class _BuildFailedError(Exception):
    """Lake did not build the REPL, for a reason that is not its source."""


def _build(content: Path, source: Path, lean: str, toolchain: str | None) -> None:
    shutil.copyfile(source, content / source.name)
    (content / "lakefile.toml").write_text(_PACKAGE, encoding="utf-8")
    if toolchain is not None:
        (content / "lean-toolchain").write_text(toolchain, encoding="utf-8")
    try:
        if lean_of(content) != lean:
            raise _BuildFailedError(f"outside of the project, another Lean than {lean!r} is used")
        run_tool([program("lake"), "build", "repl"], content, deadline_s=_BUILD_DEADLINE_S)
    except LeanInstallError as error:
        if NOT_UNDERSTOOD.search(str(error)):
            raise LeanInstallError(f"{lean}: {error}") from error
        raise _BuildFailedError(str(error)) from error
    if not binary_in(content).is_file():
        raise _BuildFailedError(f"`lake build` left no {_BINARY}")
