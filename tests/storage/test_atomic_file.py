from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import SCRATCH_SUFFIX, not_written, refuse_unwritable, remove_scratch, write_atomically


def test_a_file_is_written_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for it.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_where_writing_fails_the_old_file_stays_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_leaves_is_hidden_and_told_by_its_suffix(tmp_path: Path) -> None:
    dying = (
        "import os, pathlib, sys; from leanebm.storage import write_atomically;"
        "os.fsync = lambda _: os._exit(9); write_atomically(pathlib.Path(sys.argv[1]), b'never seen')"
    )
    assert subprocess.run([sys.executable, "-c", dying, str(tmp_path / "file")], check=False).returncode == 9
    [left] = tmp_path.iterdir()
    assert left.name.startswith(".file-")
    assert left.suffix == SCRATCH_SUFFIX


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    ours, others = ".a[1].json-x1.part", ".b.json-x1.part"
    kept = ["a[1].json", ".a1.json-x1.part", "c.part", ".d"]
    for name in (ours, others, *kept):
        (tmp_path / name).touch()
    remove_scratch(tmp_path, "a[1].json")
    assert {path.name for path in tmp_path.iterdir()} == {others, *kept}
    remove_scratch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a[1].json", "c.part", ".d"}
    remove_scratch(tmp_path / "never made")


def test_whose_fault_it_is_that_a_file_is_not_written() -> None:
    denied = not_written("place", PermissionError(errno.EACCES, "Permission denied"))
    assert isinstance(denied, ConfigError)
    assert str(denied) == "place cannot be written to: Permission denied; choose another place"
    full = not_written("place", OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(full, TrajectoryError)
    assert str(full) == "place could not be written: No space left on device"


def test_a_place_is_refused_before_anything_is_written_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for good in (tmp_path, tmp_path / "file", tmp_path / "new" / "deep" / "file"):
        refuse_unwritable(good)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(ConfigError, match="file is not a folder; choose another place"):
        refuse_unwritable(tmp_path / "file" / "below")
    with pytest.raises(ConfigError, match=r"/proc/\d+ does not allow it; choose another place"):  # not even to root
        refuse_unwritable("/proc/self/new")
