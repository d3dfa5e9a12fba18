from __future__ import annotations

import errno
import itertools
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import (
    SCRATCH_SUFFIX,
    not_written,
    refuse_unwritable,
    remove_scratch,
    write_atomically,
    write_next,
)


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
        with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
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


def test_where_others_write_only_what_nobody_has_touched_for_an_hour_is_removed(tmp_path: Path) -> None:
    old, new, other = (tmp_path / name for name in (".a.json-1.part", ".a.json-2.part", ".b.json-1.part"))
    for scratch in (old, new, other):
        scratch.touch()
    now_s = new.stat().st_mtime
    for scratch, ago_s in ((old, 3700.0), (new, 3500.0), (other, 3700.0)):
        os.utime(scratch, (now_s - ago_s, now_s - ago_s))
    remove_scratch(tmp_path, "a.json", is_shared=True)
    assert {*tmp_path.iterdir()} == {new, other}
    remove_scratch(tmp_path, is_shared=True)
    assert {*tmp_path.iterdir()} == {new}
    remove_scratch(tmp_path)
    assert not list(tmp_path.iterdir())


STOPPED_WRITER = """
import os, signal, sys
from leanebm.storage import write_atomically, write_next

fsync, seen = os.fsync, []

def stop_once(descriptor):
    fsync(descriptor)
    if not seen:
        seen.append(descriptor)
        os.kill(os.getpid(), signal.SIGSTOP)

os.fsync = stop_once
folder = sys.argv[1]
if sys.argv[2] == "next":
    write_next(folder, ("0", "1"), b"late")
else:
    write_atomically(folder + "/0", b"late")
"""


@pytest.mark.parametrize("how", ["next", "over"])
def test_who_was_stopped_for_so_long_that_its_scratch_was_removed_writes_all_the_same(tmp_path: Path, how: str) -> None:
    with subprocess.Popen([sys.executable, "-c", STOPPED_WRITER, str(tmp_path), how]) as stopped:
        os.waitid(os.P_PID, stopped.pid, os.WSTOPPED)
        [scratch] = tmp_path.iterdir()
        remove_scratch(tmp_path, is_shared=True)
        assert scratch.exists(), "it lives, as far as anybody can tell"
        long_ago_s = scratch.stat().st_mtime - 7200
        os.utime(scratch, (long_ago_s, long_ago_s))
        remove_scratch(tmp_path, is_shared=True)
        assert not scratch.exists()
        os.kill(stopped.pid, signal.SIGCONT)
    assert stopped.returncode == 0
    [written] = (path for path in tmp_path.iterdir() if path.stat().st_size)
    assert written.read_bytes() == b"late"
    assert not list(tmp_path.glob(".*"))


def test_where_no_name_is_free_nothing_is_written_or_left(tmp_path: Path) -> None:
    (tmp_path / "0").write_bytes(b"before")
    write_next(tmp_path, ["0"], b"late")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"0": b"before"}


def test_each_of_many_who_write_the_next_file_gets_one_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "2").write_bytes(b"before")

    def write(number: int) -> None:
        write_next(tmp_path, map(str, itertools.count()), str(number).encode())

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written.keys() == set(map(str, range(41)))
    assert sorted(written.values()) == sorted([b"before", *(str(number).encode() for number in range(40))])
    assert written["2"] == b"before"


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


@pytest.mark.parametrize("folder", ["/proc", "/proc/self"])
def test_a_place_that_permits_root_to_write_and_takes_no_file_is_refused(folder: str) -> None:
    with pytest.raises(ConfigError, match=r"/proc(/\d+)? does not allow it; choose another place"):
        refuse_unwritable(f"{folder}/new/deep")
