"""Where a run keeps what it found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from urllib.parse import quote

import attrs

from leanebm.core import Certificate
from leanebm.errors import TrajectoryError
from leanebm.pipeline.certificate_record import CertificateRecord, record_path
from leanebm.storage import remove_scratch, write_atomically

__all__ = ["RunFolder", "write_proof", "write_text"]

_MAX_STEM_BYTES = 200
"""File systems allow 255 bytes a name; the rest is for the ending and a temporary file's suffix."""


@attrs.frozen
class RunFolder:
    """A run's folder: the trajectory, the proofs and the settings, side by side.

    .. code-block:: text

        runs/demo/
          config.toml        the settings the run was made with, defaults filled in
          trajectory/        Parquet shards, one row a node
          proofs/NAME.lean   one file a certified proof; each stands alone
          proofs/NAME.certificate.json   what it was certified as, for checking it again
    """

    path: Path

    @property
    def trajectory(self) -> Path:
        """The directory of Parquet shards."""
        return self.path / "trajectory"

    @property
    def proofs(self) -> Path:
        """The directory of certified proofs."""
        return self.path / "proofs"

    @property
    def config(self) -> Path:
        """The settings, with every default written out."""
        return self.path / "config.toml"

    @classmethod
    def trajectory_in(cls, path: Path) -> Path:
        """The trajectory that ``path`` means, be it a run's folder or the trajectory itself."""
        inside = cls(path).trajectory
        return inside if inside.is_dir() else path

    def sweep(self) -> None:
        """Remove the half-written files of a run that was killed; for whoever holds the folder's lock."""
        for folder in (self.path, self.proofs):
            remove_scratch(folder)

    def write_proof(self, certificate: Certificate) -> Path:
        """Write the certified proof as a file that Lean checks by itself."""
        return write_proof(certificate, self.proofs)


def write_proof(certificate: Certificate, folder: Path) -> Path:
    """Write the certified proof and its record into ``folder``; two theorems' names never share a file."""
    path = folder / f"{_file_stem(certificate.theorem.name)}.lean"
    write_text(path, certificate.source)
    write_text(record_path(path), CertificateRecord.of(certificate).to_json())
    return path


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that a reader, or a crash, meets the old file or the new one whole.

    Raises:
        TrajectoryError: the disk is full, or the folder cannot be written to.
    """
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise TrajectoryError(f"{path} could not be written: {error}") from error


def _file_stem(name: str) -> str:
    # A leading dot would hide the file, and "." and ".." are no files at all.
    stem = quote(name, safe="!'()+,=@[]{} ~")
    stem = f"%2E{stem[1:]}" if stem.startswith(".") else stem
    # A name of the full length is cut, too, so that none that is kept whole can equal one that was cut.
    if len(stem) < _MAX_STEM_BYTES:
        return stem
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{stem[: _MAX_STEM_BYTES - 17]}-{digest}"
