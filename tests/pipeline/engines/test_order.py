from __future__ import annotations

from leanebm.pipeline.engines._order import longest_first


def test_what_takes_longest_comes_first_and_the_unknown_is_as_usual() -> None:
    expected_s = {"short": 1.0, "usual": 5.0, "long": 60.0, "elsewhere": 5.0}
    assert longest_first(["short", "new", "usual", "other", "long"], expected_s) == [
        *("long", "new", "usual", "other", "short")
    ]


def test_where_nothing_is_known_the_order_stays() -> None:
    assert longest_first("bac", {}) == ["b", "a", "c"]
