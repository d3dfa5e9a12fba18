"""Whole files: where a ``sorry`` stands in them, and proofs of what is missing there."""

from __future__ import annotations

from leanebm._shown import named_repr
from leanebm.core.interfaces import ProofEnvironment
from leanebm.core.limits import MAX_FILE_CHARACTERS, objection_to_length
from leanebm.lean._file_replies import (
    CertifiedFile,
    FileRefused,
    FileSorries,
    FileVerdict,
    SorryPlace,
    StatedTheorem,
)
from leanebm.lean.certifier import Certifier
from leanebm.lean.pool import LeanPool
from leanebm.lean.replay import ReplayingEnvironment
from leanebm.lean.requests import file_sorries, file_start

__all__ = [
    "CertifiedFile",
    "FileRefused",
    "FileSorries",
    "FileVerdict",
    "LeanFiles",
    "SorryPlace",
    "StatedTheorem",
]


class LeanFiles:
    """Reads files, opens proofs of what they leave out, and certifies theorems within them.

    Texts are what stands after the import lines; the modules are those of ``pool`` and ``certifier``.

    Args:
        pool: an entered pool, for reading and for proofs.
        certifier: an entered certifier; its worker runs no search.
    """

    def __init__(self, pool: LeanPool, certifier: Certifier) -> None:
        self._pool = pool
        self._certifier = certifier

    __repr__ = named_repr("_pool")

    async def sorries(self, source: str) -> FileSorries | FileRefused:
        """Find every ``sorry`` in a file.

        Raises:
            CommandRefused: this Lean's server cannot read files.
            WorkerLost: the worker broke under the file.
        """
        if (objection := objection_to_length(source, MAX_FILE_CHARACTERS, what="file")) is not None:
            return FileRefused("length", objection)
        return await self._pool.ask(file_sorries(source))

    def environment(self, source: str, sorry: SorryPlace) -> ProofEnvironment:
        """Where proofs of what is missing at ``sorry`` are opened, whatever theorem is asked for."""
        return ReplayingEnvironment(self._pool, asking=file_start(source, sorry.start))

    async def certify(
        self, source: str, *, original: str | None = None, theorems: list[str] | None = None
    ) -> CertifiedFile | FileRefused:
        """Decide about theorems of a file; see :meth:`Certifier.certify_file <leanebm.lean.Certifier.certify_file>`."""
        return await self._certifier.certify_file(source, original=original, theorems=theorems)
