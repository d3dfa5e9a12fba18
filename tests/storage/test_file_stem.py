from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.storage import file_stem

alike = st.text(st.sampled_from("aAbB+.-%1\u0130\u0131"), max_size=6)
"""Names that are often the same but for capitals, or look like what others' files are called."""


def as_seen(stem: str) -> str:
    """What a file system that ignores case sees."""
    return stem.lower()


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_names_never_share_a_file(one: str, other: str) -> None:
    assert (as_seen(file_stem(one)) == as_seen(file_stem(other))) == (one == other)


@given(alike, alike)
def test_names_that_differ_in_capitals_alone_never_share_a_file(one: str, other: str) -> None:
    assert (as_seen(file_stem(one)) == as_seen(file_stem(other))) == (one == other)


@pytest.mark.parametrize("name", ["foo", "Nat.add_comm", "x" * 199, "x" * 400, "foo+1", "%41", "a.b.c", "AbC" * 30])
def test_every_way_to_write_a_name_in_capitals_has_a_file_of_its_own(name: str) -> None:
    names = {name, name.upper(), name.lower(), name.title(), name.swapcase(), name.capitalize(), f"{name}+1"}
    assert len({as_seen(file_stem(each)) for each in names}) == len(names)
    assert all(len(file_stem(each).encode()) <= 200 for each in names)


def test_a_name_without_capitals_is_its_files_name() -> None:
    assert file_stem("add_comm'") == "add_comm'"
    assert file_stem("Nat.add_comm") == "Nat.add_comm+1"


def test_a_long_name_never_shares_a_file_with_what_it_is_cut_to() -> None:
    cut = file_stem("a" * 300)
    assert file_stem(cut) != cut


def test_files_of_names_that_differ_in_capitals_are_there_side_by_side(tmp_path: Path) -> None:
    names = ["".join(letters) for letters in itertools.product("fF", "oO", "oO")]
    for name in names:
        (tmp_path / file_stem(name)).write_text(name)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == sorted(names)
