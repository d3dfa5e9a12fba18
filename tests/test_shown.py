from __future__ import annotations

import errno
import json

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from leanebm._shown import (
    around,
    counted,
    fitting_repr,
    listed,
    named_repr,
    one_line,
    printable,
    reason,
    shown,
    shown_json,
    writer,
)


@pytest.mark.parametrize("value", [None, True, 5, -1.5, "a", [1, "b"], {"k": [None]}, 10**30])
def test_what_is_short_is_shown_as_it_is(value: object) -> None:
    assert shown(value) == repr(value)
    assert shown_json(value) == json.dumps(value)


def test_what_is_endless_is_cut() -> None:
    nested: object = 0
    for _ in range(100_000):
        nested = [nested]
    for value in (nested, "x" * 10**6, 1 << 10**6, -(1 << 10**6), list(range(10**5)), {"k" * 10**6: "v" * 10**6}):
        assert len(shown(value)) < 500
        assert len(shown_json(value)) < 500
    assert shown(1 << 10**6) == "a number of 1000001 bits"


def test_a_list_names_the_first_and_counts_the_rest() -> None:
    assert listed(["a", "b", "c"], 3) == "'a', 'b', 'c'"
    assert listed(["a", "b", "c"], 1) == "'a' and 2 more"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\x1b]0;owned\x07", r"\u001b]0;owned\u0007"),
        ("\x1bc", r"\u001bc"),
        ("\x9b2J", r"\u009b2J"),
        ("proved\rlost", r"proved\u000dlost"),
        ("\x7f\b", r"\u007f\u0008"),
        ("a\u202eb\u2066c\u200f", r"a\u202eb\u2066c\u200f"),
        ("\ud800", r"\ud800"),
        ("a\u2028b", r"a\u2028b"),
        ("∀ x,\n\tx ∈ 𝔸 → ⟨é, 😀⟩", "∀ x,\n\tx ∈ 𝔸 → ⟨é, 😀⟩"),
    ],
)
def test_what_would_steer_a_terminal_is_written_out_and_nothing_else(text: str, written: str) -> None:
    assert printable(text) == written


@given(st.text(st.characters(codec=None, exclude_categories=())))
@example("".join(map(chr, range(0x300))))
def test_what_is_written_out_steers_nothing_and_json_stays_the_same_value(text: str) -> None:
    written = printable(json.dumps(text, ensure_ascii=False))
    assert json.loads(written) == text
    assert printable(written) == written
    assert all(each in "\n\t" or each.isprintable() or ord(each) > 0x9F for each in written)
    written.encode()


def test_a_text_on_one_line_is_cut() -> None:
    assert one_line("intro n; induction n with\n| zero => rfl") == "intro n; induction n with | zero => rfl"
    assert one_line("x" * 500) == "x" * 79 + "…"


@attrs.frozen
class Value:
    text: str
    many: tuple[int, ...] = ()
    hidden: str = attrs.field(default="secret", repr=False)
    counted: tuple[int, ...] = attrs.field(default=(), repr=lambda items: f"<{len(items)}>")

    __repr__ = fitting_repr


class Service:
    def __init__(self) -> None:
        self._folder = "runs/a"

    __repr__ = named_repr("_folder", "_not_there_yet")


def test_a_value_shows_what_is_not_as_by_default() -> None:
    assert repr(Value("a")) == "Value(text='a')"
    assert repr(Value("a", (1, 2), "key", (3, 4))) == "Value(text='a', many=(1, 2), counted=<2>)"


def test_a_value_is_shown_on_one_short_line() -> None:
    shown_value = repr(Value("a\nb" * 10**5, tuple(range(10**5))))
    assert len(shown_value) < 500
    assert "\n" not in shown_value
    assert shown_value.startswith("Value(text='a")


def test_a_service_is_known_by_its_attributes() -> None:
    assert repr(Service()) == "<Service: 'runs/a', '…'>"


def test_the_operating_systems_reason_stands_without_its_number_and_path() -> None:
    assert reason(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.lean")) == "No such file or directory"
    assert reason(OSError("not a regular file")) == "not a regular file"
    assert reason(ValueError("no JSON")) == "no JSON"


def test_one_of_a_thing_is_not_many() -> None:
    assert [counted(number, "node") for number in (0, 1, 1204)] == ["0 nodes", "1 node", "1,204 nodes"]


def test_a_place_is_told_by_line_only_where_there_are_several() -> None:
    assert around("f (g (x) = 1", 2) == "column 3, in 'f (g (x) = 1'"
    assert around("1 = 1\n2 = (2", 10) == "line 2, column 5, in '2 = (2'"
    assert around("1 =", 3) == "column 4, in '1 ='"
    assert around("a" * 60 + "(" + "b" * 60, 60) == f"column 61, in '{'a' * 20}({'b' * 19}'"


@pytest.mark.parametrize("version", [None, 1, [], "", "the one of Tuesday", "1\x1b[2J", "1" * 1000, "1.0\n"])
def test_who_wrote_a_file_is_named_where_the_file_says_so(version: object) -> None:
    assert writer("0.3.0rc1") == "leanebm 0.3.0rc1, which wrote it"
    assert "does not say" in writer(version)
