from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from leanebm.core.limits import MAX_FILE_CHARACTERS, MAX_TEXT_CHARACTERS, objection_to_length


@given(text=st.text(), limit=st.integers(min_value=0, max_value=20))
def test_a_text_is_refused_exactly_when_it_is_longer_than_the_limit(text: str, limit: int) -> None:
    objection = objection_to_length(text, limit)
    assert (objection is not None) == (len(text) > limit)
    if objection is not None:
        assert str(len(text)) in objection
        assert str(limit) in objection


@given(st.text(min_size=1))
def test_what_is_refused_stays_refused_when_it_grows(text: str) -> None:
    assert objection_to_length(text, len(text)) is None
    assert objection_to_length(text + "x", len(text)) is not None


def test_a_file_may_hold_more_than_its_parts() -> None:
    text = "x" * (MAX_TEXT_CHARACTERS + 1)
    assert objection_to_length(text) is not None
    assert objection_to_length(text, MAX_FILE_CHARACTERS) is None
