from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage.firsts import Firsts

PARTS = [f"part-{number}" for number in range(8)]


def test_of_many_that_say_so_at_once_one_was_first(tmp_path: Path) -> None:
    def put(part: str) -> str | None:
        for theorem in "abc":
            Firsts(tmp_path).put(theorem, 0, part)
        return Firsts(tmp_path).among("a", PARTS)

    with ThreadPoolExecutor(len(PARTS)) as threads:
        list(threads.map(put, PARTS))
    first = Firsts(tmp_path).among("a", PARTS)
    assert first in PARTS
    Firsts(tmp_path).put("a", 0, "part-9")
    assert Firsts(tmp_path).among("a", [*PARTS, "part-9"]) == first
    assert Firsts(tmp_path).counts() == dict.fromkeys("abc", 1)


def test_where_nothing_is_said_nobody_was_first(tmp_path: Path) -> None:
    assert Firsts(tmp_path).among("a", PARTS) is None
    assert Firsts(tmp_path / "nowhere").counts() == {}


@pytest.mark.parametrize("content", [b"", bytes(8), b"\xff", b"deleted"], ids=["empty", "zeros", "no text", "gone"])
def test_a_mark_that_means_nothing_is_passed_over(tmp_path: Path, content: bytes) -> None:
    Firsts(tmp_path).put("a", 0, "part-0")
    [mark] = tmp_path.glob(".first/*")
    mark.write_bytes(content)
    assert Firsts(tmp_path).among("a", PARTS) is None
    Firsts(tmp_path).put("a", 1, "part-1")
    assert Firsts(tmp_path).among("a", PARTS) == "part-1"
    assert Firsts(tmp_path).counts() == {"a": 2}


def test_names_that_look_like_marks_or_differ_in_capitals_have_marks_of_their_own(tmp_path: Path) -> None:
    names = ["a", "a.0", "A", "a.0.0", "../a", ".a"]
    for name, part in zip(names, PARTS, strict=False):
        Firsts(tmp_path).put(name, 0, part)
    assert [Firsts(tmp_path).among(name, PARTS) for name in names] == PARTS[: len(names)]


def test_a_mark_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / ".first" / "a.0").mkdir(parents=True)
    with pytest.raises(TrajectoryError, match=r"a\.0 cannot be read: it is a folder"):
        Firsts(tmp_path).among("a", PARTS)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, TrajectoryError), (errno.EROFS, ConfigError)])
def test_a_disk_that_takes_no_mark_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(kind, match=r"\.first c"):
        Firsts(tmp_path).put("a", 0, "part-0")


def test_a_mark_without_a_word_is_found(tmp_path: Path) -> None:
    firsts = Firsts(tmp_path)
    assert firsts.empty() == set()
    firsts.put("whole", 0, "a")
    (tmp_path / ".first" / "begun.0").touch()
    assert firsts.empty() == {"begun"}
