from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
import pytest

from leanebm.core import Candidate


@attrs.frozen
class Scalar:
    """A number as tensors of one element are."""

    value: float

    def __float__(self) -> float:
        return float(self.value)

    def __index__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)


@pytest.mark.parametrize("number", [Scalar(-0.5), Decimal("-0.5"), Fraction(-1, 2)])
def test_numbers_of_any_kind_are_kept_as_plain_ones(number: Any) -> None:
    candidate = Candidate("rfl", number, num_tokens=Scalar(3), is_truncated=Scalar(1))
    assert candidate == Candidate("rfl", -0.5, num_tokens=3, is_truncated=True)
    assert json.loads(json.dumps(attrs.asdict(candidate)))["log_prob"] == -0.5
    assert type(candidate.log_prob) is float


@pytest.mark.parametrize("log_prob", [float("nan"), float("-inf"), 0.5, "-0.5", None, 1j])
def test_what_is_no_logarithm_of_a_probability_is_refused(log_prob: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Candidate("rfl", log_prob)


@pytest.mark.parametrize("fields", [{"tactic": None}, {"tactic": b"rfl"}, {"weights": 3}, {"num_tokens": 1.5}])
def test_what_no_file_could_keep_is_refused(fields: dict[str, Any]) -> None:
    values: dict[str, Any] = {"tactic": "rfl", "log_prob": -1.0} | fields
    with pytest.raises(TypeError):
        Candidate(**values)
