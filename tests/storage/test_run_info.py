from __future__ import annotations

from collections.abc import Callable

import attrs

from leanebm.storage import RunInfo, differences_from_folder


def test_runs_of_the_same_settings_may_share_a_trajectory(make_run: Callable[..., RunInfo]) -> None:
    first = make_run("run-1", max_expansions=100)
    later = attrs.evolve(make_run("run-2", max_expansions=100), started_unix_s=1.8e9, leanebm_version="1")
    assert first.differences(later) == []


def test_every_difference_is_told_with_its_path(make_run: Callable[..., RunInfo]) -> None:
    first = make_run(max_expansions=100)
    other = attrs.evolve(make_run(max_expansions=200, max_wall_s=9.0), seed=7, lean_version="4.28.0")
    assert first.differences(other) == [
        "$.config.search.budget.max_expansions: 100, not 200",
        "$.config.search.budget.max_wall_s: nothing, not 9.0",
        "$.lean_version: 'none', not '4.28.0'",
        "$.seed: 0, not 7",
    ]


def test_of_a_hash_the_beginning_is_told(make_run: Callable[..., RunInfo]) -> None:
    first, other = (attrs.evolve(make_run(), config={"source": digit * 64}) for digit in "ab")
    assert first.differences(other) == ["$.config.source: aaaaaaaa…, not bbbbbbbb…"]
    assert differences_from_folder({"data": "a" * 64}, {"data": "b" * 64}) == [
        "$.data: aaaaaaaa… in the folder, bbbbbbbb… now"
    ]


def test_a_list_is_what_a_tuple_becomes_in_json(make_run: Callable[..., RunInfo]) -> None:
    first = make_run()
    assert first.differences(attrs.evolve(first, config={**first.config, "imports": ["Init"]})) == []


def test_what_a_folder_keeps_is_named_with_both_values() -> None:
    kept = {"trainer": {"seed": 0, "loss": "margin", "hidden": [1, 2]}, "data": "abc"}
    now = {"trainer": {"seed": 1, "loss": "margin", "hidden": (1, 2), "new": True}, "data": "abc"}
    assert differences_from_folder(kept, now) == [
        "$.trainer.new: None in the folder, True now",
        "$.trainer.seed: 0 in the folder, 1 now",
    ]
