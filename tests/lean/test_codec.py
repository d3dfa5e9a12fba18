from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.lean._codec import (
    LineBuffer,
    LineTooLongError,
    MalformedReplyError,
    decode_reply,
    encode_request,
    expect,
    optional,
)

_texts = st.text(st.characters(codec="utf-8"))

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


@given(command=_texts, payload=st.dictionaries(_texts, _json, max_size=4))
def test_a_request_is_one_line_of_utf8_that_reads_back(command: str, payload: dict[str, object]) -> None:
    line = encode_request(command, payload)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert b"\r" not in line
    assert decode_reply(line) == {"cmd": command, "payload": payload}


def test_text_beyond_the_basic_plane_goes_out_raw() -> None:
    assert "∀ 𝔸".encode() in encode_request("goal.start", {"expr": "∀ 𝔸"})


def test_a_lone_surrogate_cannot_be_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_request("goal.tactic", {"tactic": "\ud835"})


@pytest.mark.parametrize(
    "line",
    [b"", b"[DEBUG] hello", b"[1]", b"3", b"null", b'{"a": ', b'{"a": "\xff"}', b"[" * 100_000],
    ids=["empty", "noise", "list", "number", "null", "half", "not utf-8", "deep"],
)
def test_what_is_not_one_json_object_is_malformed(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        decode_reply(line)


def test_an_excerpt_of_a_malformed_line_is_short() -> None:
    with pytest.raises(MalformedReplyError) as caught:
        decode_reply(b"x" * 10_000)
    assert len(str(caught.value)) < 400


def test_missing_and_null_are_the_same() -> None:
    assert optional({"a": None}, "a", int) is None
    assert optional({}, "a", int) is None
    with pytest.raises(MalformedReplyError, match="'a'"):
        expect({"b": 1}, "a", int)


@pytest.mark.parametrize(("value", "kind"), [(True, int), (1, bool), ("1", int), ([], dict)])
def test_a_value_of_another_type_is_malformed(value: object, kind: type[object]) -> None:
    with pytest.raises(MalformedReplyError, match="type"):
        optional({"a": value}, "a", kind)


@given(reply=st.dictionaries(_texts, _json, max_size=4))
def test_any_object_decodes_to_itself(reply: dict[str, object]) -> None:
    assert decode_reply(json.dumps(reply, ensure_ascii=False).encode()) == reply


@pytest.mark.parametrize("text", [rb"\ud800", rb"a\uDFFF", rb"\udc00\ud800"])
def test_half_of_a_surrogate_pair_is_malformed_since_no_file_can_hold_it(text: bytes) -> None:
    for line in (b'{"key": "%s"}' % text, b'{"goals": [{"%s": 1}]}' % text):
        with pytest.raises(MalformedReplyError):
            decode_reply(line)


def test_whole_surrogate_pairs_and_what_only_looks_like_one_are_text() -> None:
    assert decode_reply(rb'{"a": "\ud835\udd38", "b": "\\ud800"}') == {"a": "𝔸", "b": r"\ud800"}


_lines = st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b" ")), max_size=6)


@given(lines=_lines, cuts=st.lists(st.integers(0, 140)), rest=st.sampled_from([b"", b"half"]))
def test_lines_come_out_whole_however_the_bytes_came_in(lines: list[bytes], cuts: list[int], rest: bytes) -> None:
    data = b"".join(line + b"\n" for line in lines) + rest
    buffer = LineBuffer(100)
    taken = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        buffer.feed(data[start:end])
        while (line := buffer.next_line()) is not None:
            taken.append(line)
    assert taken == lines
    assert bool(buffer) == bool(rest)


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_over_the_limit_is_refused_finished_or_not(end: bytes) -> None:
    buffer = LineBuffer(4)
    buffer.feed(b"12345" + end)
    assert buffer.is_overfull
    with pytest.raises(LineTooLongError, match="4 bytes"):
        buffer.next_line()


def test_a_line_of_exactly_the_limit_is_accepted() -> None:
    buffer = LineBuffer(4)
    buffer.feed(b"1234\n")
    assert buffer.next_line() == b"1234"
