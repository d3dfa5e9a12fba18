from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.lean._line_buffer import LineBuffer, LineTooLongError

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
