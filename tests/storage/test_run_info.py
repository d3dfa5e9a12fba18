from __future__ import annotations

from collections.abc import Callable

import attrs

from leanebm.storage import RunInfo, differences_from_folder, one_line_per_change


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


def test_a_change_of_code_is_told_once_whoever_comes_from_there(make_run: Callable[..., RunInfo]) -> None:
    def of(package: str, digest: str, other: str) -> RunInfo:
        sources = {"mine/parts.py": digest * 64, "mine/__init__.py": "0" * 64}
        parts: dict[str, object] = {
            part: {"kind": f"mine.parts:{number}", "package": package, "sources": sources}
            for number, part in enumerate(("scorer", "parts.search[1]", "parts.policy"))
        }
        parts["lean.backend"] = {"kind": other, "package": "none", "sources": {"other.py": digest * 64}}
        return attrs.evolve(make_run(), config={"part_origins": parts, "width": digest})

    differences = of("mine 2", "a", "other:New").differences(of("mine 1", "b", "other:Old"))
    assert len(differences) == 9
    hashes = "aaaaaaaa…, not bbbbbbbb…"
    assert one_line_per_change(differences) == [
        "$.config.part_origins.lean.backend.kind: 'other:New', not 'other:Old'",
        "$.config.part_origins.lean.backend.sources.other.py: " + hashes,
        "$.config.part_origins.parts.policy.package: 'mine 2', not 'mine 1' (and of parts.search[1], scorer)",
        f"$.config.part_origins.parts.policy.sources.mine/parts.py: {hashes} (and of parts.search[1], scorer)",
        "$.config.width: 'a', not 'b'",
    ]
