from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from leanebm.errors import LeanInstallError
from leanebm.lean.embedded.progress import InstallStage, silent
from leanebm.lean.embedded.unpack import unpack

from .conftest import package_of, tar_of


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def unpack_bytes(content: bytes, folder: Path) -> Path:
    tarball = folder / "package.tgz"
    tarball.write_bytes(content)
    into = folder / "into"
    into.mkdir()
    unpack(tarball, into, silent)
    return into


def test_both_tarballs_are_unpacked_and_the_inner_one_removed(tmp_path: Path) -> None:
    into = unpack_bytes(package_of(), tmp_path)
    files = {path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file()}
    assert files == {"package/lean.js", "package/lean.wasm", "lib/Init.olean", "lib/Init/Core.olean"}


@pytest.mark.parametrize(
    "member",
    [
        {"../outside": b"x"},
        {"package/../../outside": b"x"},
        {"/outside": b"x"},
        {"link": link("package/link", "../../outside", tarfile.SYMTYPE)},
        {"link": link("package/hard", "/etc/passwd", tarfile.LNKTYPE)},
        {"link": link("package", "..", tarfile.SYMTYPE), "package/lean.js": b"x"},
        {"device": link("package/device", "", tarfile.CHRTYPE)},
        {"block": link("package/block", "", tarfile.BLKTYPE)},
        {"pipe": link("package/pipe", "", tarfile.FIFOTYPE)},
    ],
    ids=[
        "parent",
        "hidden parent",
        "absolute",
        "symbolic link",
        "hard link",
        "file through a link",
        "device",
        "block device",
        "named pipe",
    ],
)
def test_nothing_leaves_its_folder(tmp_path: Path, member: dict[str, bytes | tarfile.TarInfo]) -> None:
    with pytest.raises(LeanInstallError, match="no plain file"):
        unpack_bytes(tar_of(member), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"package.tgz", "into"}
    assert not list((tmp_path / "into").rglob("*"))


def test_the_inner_tarball_is_kept_in_its_folder_too(tmp_path: Path) -> None:
    inner = tar_of({"../lean.js": b"evil"})
    with pytest.raises(LeanInstallError, match="no plain file"):
        unpack_bytes(tar_of({"package/lean-lib.tar.gz": inner}), tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.embedded.unpack._MAX_BYTES", 10 * 2**20)
    bomb = tar_of({f"package/{i}": bytes(2**20) for i in range(12)})
    assert len(bomb) < 2**17
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(bomb, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "into").rglob("*") if path.is_file()) <= 10 * 2**20


def test_a_size_is_believed_before_it_is_written(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("package/huge")
    huge.size = 2**40
    content = io.BytesIO()
    with gzip.open(content, "wb") as packed:
        packed.write(huge.tobuf())
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(content.getvalue(), tmp_path)


def test_so_many_files_are_not_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.embedded.unpack._MAX_MEMBERS", 100)
    with pytest.raises(LeanInstallError, match="more than the package can hold"):
        unpack_bytes(tar_of({f"package/{i}": b"" for i in range(101)}), tmp_path)


@pytest.mark.parametrize("content", [b"", b"no tarball at all", package_of()[:200]])
def test_a_damaged_tarball_is_told(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(LeanInstallError, match="cannot be unpacked"):
        unpack_bytes(content, tmp_path)


def test_progress_grows_to_one(tmp_path: Path) -> None:
    tarball = tmp_path / "package.tgz"
    tarball.write_bytes(package_of())
    fractions: list[float] = []

    def progress(stage: InstallStage, fraction: float | None) -> None:
        assert stage is InstallStage.UNPACK
        assert fraction is not None
        fractions.append(fraction)

    unpack(tarball, tmp_path, progress)
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
