from __future__ import annotations

from typing import Any

import pytest

from leanebm.core import Theorem
from leanebm.data import TacticPair


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("step", -1, "step"),
        ("step", 2, "step 2 of 2 does not exist"),
        ("num_steps", 0, "num_steps"),
        ("state", "", "state"),
        ("tactic", " \n", "the tactic is empty"),
    ],
)
def test_what_is_no_step_is_refused(field: str, value: Any, problem: str) -> None:
    step: dict[str, Any] = {"step": 0, "num_steps": 2, "state": "⊢ True", "tactic": "trivial"}
    theorem = Theorem(name="t", statement="True")
    TacticPair(theorem=theorem, **step)
    with pytest.raises(ValueError, match=problem):
        TacticPair(theorem=theorem, **step | {field: value})
