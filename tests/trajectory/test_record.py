from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import NodeStatus, SearchOutcome, TacticFate
from leanebm.trajectory import THEOREM_OUTCOMES, TheoremRecord, record


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
    is_final = {outcome: make_theorem("t", outcome)[0].is_final for outcome in THEOREM_OUTCOMES}
    assert [outcome for outcome, final in is_final.items() if not final] == ["infrastructure"]


def test_an_unknown_outcome_is_refused(make_theorem: Callable[..., Any]) -> None:
    record: TheoremRecord = make_theorem("t")[0]
    with pytest.raises(ValueError, match="outcome"):
        attrs.evolve(record, outcome="solved")


def test_outcomes_and_their_words_are_the_searchs_own() -> None:
    """Trajectory and search do not know one another, so their vocabularies are compared here."""
    assert {outcome.value for outcome in SearchOutcome} == set(THEOREM_OUTCOMES)


@pytest.mark.parametrize("words", [NodeStatus, TacticFate])
def test_the_words_of_the_search_are_documented_where_they_are_stored(words: type[enum.Enum]) -> None:
    source = inspect.getsource(record)
    assert all(f"``{word.value}``" in source for word in words)
