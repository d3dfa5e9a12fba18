"""Unpacking the verified tarball, and the library's tarball inside it."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded.progress import InstallProgress, InstallStage

__all__ = ["unpack"]

_LIBRARY_TARBALL = PurePosixPath("package/lean-lib.tar.gz")
_MAX_BYTES = 2 * 2**30
_MAX_MEMBERS = 20_000
"""Five times what the pinned package holds: a tarball that unpacks to more is not it."""
_OUTER_SHARE = 0.4
"""Part of the time that the outer tarball takes; only for a bar that moves evenly."""


def unpack(tarball: Path, into: Path, progress: InstallProgress) -> None:
    """Unpack the package's files to ``into / "package"`` and the library to ``into / "lib"``.

    Raises:
        LeanInstallError: the tarball is damaged, holds something that is not a plain file or folder
            under its own root, or more than any version of the package would.
    """
    _extract(tarball, into, lambda part: progress(InstallStage.UNPACK, _OUTER_SHARE * part))
    library = into / _LIBRARY_TARBALL
    _extract(
        library, into / "lib", lambda part: progress(InstallStage.UNPACK, _OUTER_SHARE + (1 - _OUTER_SHARE) * part)
    )
    library.unlink()


def _extract(tarball: Path, into: Path, progress: Callable[[float], None]) -> None:
    size = tarball.stat().st_size
    unpacked_bytes = 0
    try:
        with tarball.open("rb") as packed, tarfile.open(fileobj=packed, mode="r|gz") as tar:
            for number, member in enumerate(tar):
                unpacked_bytes += member.size
                if number >= _MAX_MEMBERS or unpacked_bytes > _MAX_BYTES:
                    raise LeanInstallError(f"{tarball.name} unpacks to more than the package can hold; nothing uses it")
                _extract_member(tar, member, into)
                progress(packed.tell() / size)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise LeanInstallError(f"{tarball.name} cannot be unpacked into {into}: {error}") from error


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    """Write one file. Stricter than tarfile's own filters, which older Pythons lack: no links at all."""
    path = PurePosixPath(member.name)
    if path.name.startswith("._"):
        return  # what macOS's tar leaves beside a file
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise LeanInstallError(f"the package holds {member.name!r}, which is no plain file under its own folder")
    target = into / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    content = tar.extractfile(member)
    if content is None:
        raise LeanInstallError(f"the package holds no content for {member.name!r}")
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)
