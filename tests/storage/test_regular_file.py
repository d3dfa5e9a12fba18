from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from leanebm.storage import open_regular, read_regular


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


ODD_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "it is a pipe, and only regular files are read; save what comes out of it, and name"),
    "folder": (Path.mkdir, "it is a folder, and only regular files are read"),
    "socket": (_socket, "it is a socket, and only regular files are read"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "it is a device, and only regular files are read"),
    "missing": (str, "No such file"),
    "large": (lambda path: path.write_bytes(bytes(11)), "it has 11 bytes, and at most 10 are read"),
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_only_regular_files_up_to_a_size_are_opened(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's name is short
    path = Path("odd")
    make, message = ODD_FILES[kind]
    make(path)
    with pytest.raises(OSError, match=message):
        read_regular(path, max_bytes=10)
    with pytest.raises(OSError, match=message), open_regular(path, max_bytes=10):
        pass


def test_a_file_of_the_largest_size_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link", max_bytes=10) == b"0123456789"
    with open_regular(tmp_path / "file", max_bytes=10) as file:
        assert file.readline() == b"0123456789"


def test_a_file_whose_size_is_not_told_is_bounded_all_the_same() -> None:
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("this system has no files that do not tell their size")
    assert status.stat().st_size == 0
    with pytest.raises(OSError, match="more than 10 bytes"):
        read_regular(status, max_bytes=10)


def test_a_name_that_no_file_can_have_is_an_operating_system_error() -> None:
    with pytest.raises(OSError, match="NUL"):
        read_regular("a\0b")
