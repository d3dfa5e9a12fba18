from __future__ import annotations

import pytest

from leanebm.core import Theorem
from leanebm.data import REPLAY_OUTCOMES, ContrastiveRecord


@pytest.mark.parametrize("outcome", REPLAY_OUTCOMES)
def test_only_what_may_end_otherwise_next_time_is_tried_again(outcome: str) -> None:
    record = ContrastiveRecord(theorem=Theorem(name="t", statement="True"), run_id="r", outcome=outcome, num_steps=1)
    assert record.is_final == (outcome not in ("infrastructure", "tactic_timed_out"))


def test_an_outcome_is_one_of_those() -> None:
    with pytest.raises(ValueError, match="outcome"):
        ContrastiveRecord(theorem=Theorem(name="t", statement="True"), run_id="r", outcome="fine", num_steps=1)
