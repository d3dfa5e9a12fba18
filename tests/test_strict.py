from __future__ import annotations

import math
from typing import Any

import attrs
import pytest
from cattrs.errors import ClassValidationError

from leanebm._strict import mistakes_in, parse_json, strict_converter

CONVERTER = strict_converter()


@attrs.frozen
class Inner:
    flag: bool
    number: int


@attrs.frozen
class Outer:
    text: str
    real: float
    inner: Inner


GOOD: dict[str, Any] = {"text": "a", "real": 0.5, "inner": {"flag": True, "number": 3}}


def test_each_value_is_of_its_type() -> None:
    assert CONVERTER.structure(GOOD, Outer) == Outer("a", 0.5, Inner(flag=True, number=3))
    whole = CONVERTER.structure(GOOD | {"real": 2}, Outer).real
    assert (whole, type(whole)) == (2.0, float)
    assert math.isnan(CONVERTER.structure(math.nan, float))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": 5}, "must be str, not 5 @ $.text"),
        ({"real": "0.5"}, 'must be float, not "0.5" @ $.real'),
        ({"real": True}, "must be float, not true @ $.real"),
        ({"real": math.inf}, "must be a finite number, not Infinity @ $.real"),
        ({"real": 10**400}, "must be a finite number"),
        ({"inner": {"flag": 1, "number": 3}}, "must be bool, not 1 @ $.inner.flag"),
        ({"inner": {"flag": True, "number": 3.0}}, "must be int, not 3.0 @ $.inner.number"),
        ({"inner": {"flag": True, "number": False}}, "must be int, not false @ $.inner.number"),
        ({"other": 1}, "extra fields found (other) @ $"),
    ],
)
def test_every_mistake_is_told_with_its_path(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ClassValidationError) as raised:
        CONVERTER.structure(GOOD | change, Outer)
    [mistake] = mistakes_in(raised.value, "$")
    assert says in mistake


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "{", b"\xff"])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"JSON|Expecting|decode"):
        parse_json(text)
