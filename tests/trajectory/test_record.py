from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import NodeStatus, SearchOutcome, TacticFate
from leanebm.trajectory import TheoremRecord, TrajectoryRow, record


def test_a_theorem_is_proved_exactly_if_it_has_a_certificate(make_theorem: Callable[..., Any]) -> None:
    proved, _ = make_theorem("t", "proved")
    unproved, _ = make_theorem("t", "exhausted")
    with pytest.raises(ValueError, match="exactly if there is a certificate"):
        attrs.evolve(proved, certificate=None)
    with pytest.raises(ValueError, match="exactly if there is a certificate"):
        attrs.evolve(unproved, certificate=proved.certificate)


def test_a_certificate_for_another_theorem_proves_nothing(make_theorem: Callable[..., Any]) -> None:
    proved, _ = make_theorem("t", "proved")
    other, _ = make_theorem("s", "proved")
    with pytest.raises(ValueError, match="the certificate is for 's'"):
        attrs.evolve(proved, certificate=other.certificate)


def test_only_lost_searches_are_to_be_repeated(make_theorem: Callable[..., Any]) -> None:
    is_final = {
        outcome: make_theorem("t", outcome)[0].is_final
        for outcome in SearchOutcome
        if outcome is not SearchOutcome.INCOMPLETE
    }
    assert [outcome for outcome, final in is_final.items() if not final] == [SearchOutcome.INFRASTRUCTURE]


@pytest.mark.parametrize("outcome", ["solved", "proved", SearchOutcome.INCOMPLETE])
def test_what_is_no_end_of_a_search_is_refused(make_theorem: Callable[..., Any], outcome: Any) -> None:
    record: TheoremRecord = make_theorem("t")[0]
    with pytest.raises((TypeError, ValueError), match="outcome"):
        attrs.evolve(record, outcome=outcome)


@pytest.mark.parametrize("change", [{"outcome": "proved"}, {"status": "dead"}])
def test_a_row_holds_no_text_where_there_are_words_for_it(make_theorem: Callable[..., Any], change: Any) -> None:
    row: TrajectoryRow = make_theorem("t")[1][0]
    word: Any = "advanced"
    with pytest.raises(TypeError, match=next(iter(change))):
        attrs.evolve(row, **change)
    with pytest.raises(TypeError, match="kind"):
        attrs.evolve(row.attempts[0], kind=word)


def test_the_words_of_a_search_are_documented_where_they_are_stored() -> None:
    source = inspect.getsource(record)
    of_searches = ("advanced", "merged", "cyclic", "finished", "rejected", "timed_out")
    assert all(f"``{TacticFate(word).value}``" in source for word in of_searches)
    assert all(f"``{status.value}``" in source for status in NodeStatus)
