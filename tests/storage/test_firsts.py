from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage.firsts import WHOLE_FOLDER, Firsts

PARTS = [f"part-{number}" for number in range(8)]


@pytest.fixture
def firsts(tmp_path: Path) -> Firsts:
    for part in PARTS:
        (tmp_path / part).mkdir()
    return Firsts(tmp_path)


def test_of_many_that_say_so_at_once_one_was_first(firsts: Firsts, tmp_path: Path) -> None:
    def put(part: str) -> None:
        for theorem in "abc":
            Firsts(tmp_path).put(theorem, 0, part)

    with ThreadPoolExecutor(len(PARTS)) as threads:
        list(threads.map(put, PARTS))
    first = next(firsts.parts("a"))
    assert first in PARTS
    before = firsts.counts()
    firsts.put("a", 0, next(part for part in PARTS if part != first))
    assert next(firsts.parts("a")) == first
    assert firsts.counts() == before


def test_where_nothing_is_said_nobody_was_first(firsts: Firsts, tmp_path: Path) -> None:
    assert list(firsts.parts("a")) == []
    assert firsts.counts() == {}
    assert Firsts(tmp_path / "nowhere").counts() == {}


@pytest.mark.parametrize(
    "content",
    [b"", bytes(6), bytes(5000), b"\xff", b"gone", b"part-0\n", b"../part-0", b"x" * 10_000],
    ids=["empty", "zeros", "many zeros", "no text", "gone", "more than a name", "a path", "too long"],
)
def test_a_mark_that_names_no_part_is_as_good_as_none_whatever_it_holds(
    firsts: Firsts, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ".first").mkdir()
    (tmp_path / ".first" / "a.0").write_bytes(content)
    for part in ("part-1", "part-2"):  # both began when there was no mark
        firsts.put("a", 0, part)
    assert [part for part in firsts.parts("a") if part in PARTS] == ["part-1"]
    assert firsts.counts() == {"a": 2}


@pytest.mark.parametrize("part", ["part-0", WHOLE_FOLDER])
def test_a_mark_that_names_a_part_stays_and_who_begins_later_sets_the_next(firsts: Firsts, part: str) -> None:
    firsts.put("a", 0, part)
    firsts.put("a", 0, "part-1")
    firsts.put("a", 1, "part-2")
    firsts.put("a", 1, "part-3")
    assert list(firsts.parts("a")) == [part, "part-2"]


def test_a_mark_is_there_whole_or_empty_when_a_machine_stops_at_any_moment(
    firsts: Firsts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    sync = os.fsync

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.extend(path.read_bytes() for path in (tmp_path / ".first").glob(".*"))

    monkeypatch.setattr("os.fsync", note)
    monkeypatch.setattr(Path, "replace", lambda *_: synced.append(b"named"))
    firsts.put("a", 0, "part-0")
    assert synced == [b"part-0", b"named"], "the bytes are on the disk before the name stands for them"
    assert [path.name for path in (tmp_path / ".first").iterdir()] == ["a.0"]


def test_names_that_look_like_marks_or_differ_in_capitals_have_marks_of_their_own(firsts: Firsts) -> None:
    names = ["a", "a.0", "A", "a.0.0", "../a", ".a"]
    for name, part in zip(names, PARTS, strict=False):
        firsts.put(name, 0, part)
    assert [list(firsts.parts(name)) for name in names] == [[part] for part in PARTS[: len(names)]]


def test_a_mark_that_cannot_be_read_is_named(firsts: Firsts, tmp_path: Path) -> None:
    (tmp_path / ".first" / "a.0").mkdir(parents=True)
    with pytest.raises(TrajectoryError, match=r"a\.0 cannot be read: it is a folder"):
        list(firsts.parts("a"))
    with pytest.raises(TrajectoryError, match=r"\.first could not be written: it is a folder"):
        firsts.put("a", 0, "part-0")


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, TrajectoryError), (errno.EROFS, ConfigError)])
def test_a_disk_that_takes_no_mark_is_one_message(
    firsts: Firsts, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(kind, match=r"\.first c"):
        firsts.put("a", 0, "part-0")
