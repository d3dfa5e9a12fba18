from __future__ import annotations

import json

import pytest

from leanebm._shown import shown, shown_json


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
