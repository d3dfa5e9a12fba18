from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline import IterationManifest, StageRecord, is_iteration, iteration_table, summarise_iteration


def manifest_of(folder: Path) -> IterationManifest:
    manifest = IterationManifest.read(folder)
    assert manifest is not None
    return manifest


def test_what_is_no_iteration_is_told_from_one(iterated: Path, tmp_path: Path) -> None:
    assert is_iteration(iterated)
    assert not is_iteration(tmp_path)
    assert not is_iteration(iterated / "manifest.json")
    with pytest.raises(ConfigError, match="holds no iteration"):
        summarise_iteration(tmp_path)


def test_rounds_that_are_not_done_are_left_out(iterated: Path, tmp_path: Path) -> None:
    manifest = manifest_of(iterated)
    names = [record.stage for record in manifest.stages]
    first = attrs.evolve(manifest, stages=manifest.stages[: names.index("rounds/1/gate")])
    first.write(tmp_path)
    assert {row.round for row in summarise_iteration(tmp_path).rows} == {0}
    attrs.evolve(manifest, stages=manifest.stages[:2]).write(tmp_path)
    with pytest.raises(ConfigError, match=r"(?s)no round of the iteration.*--resume"):
        summarise_iteration(tmp_path)


def test_costs_are_those_of_the_arm(iterated: Path, tmp_path: Path) -> None:
    def cost_of(record: StageRecord) -> StageRecord:
        return attrs.evolve(record, cost={"cpu_s": 60.0, "wall_s": 1.0})

    manifest = manifest_of(iterated)
    shutil.copy(iterated / "manifest.json", tmp_path)
    attrs.evolve(manifest, stages=tuple(map(cost_of, manifest.stages))).write(tmp_path)
    minutes = {(row.round, row.arm): row.cpu_min for row in summarise_iteration(tmp_path).rows}
    # Search; or search, negatives, aggregate, head, tuning and gate; a frozen arm costs nothing later.
    assert minutes == {
        (0, "frozen"): 1,
        (0, "energy"): 6,
        (1, "frozen"): 0,
        (1, "sample-only"): 1,
        (1, "energy"): 6,
    }


def test_the_last_round_is_held_against_the_arms_that_do_not_learn(iterated: Path, tmp_path: Path) -> None:
    manifest = manifest_of(iterated)
    *before, last = manifest.stages
    assert last.result["beside"].keys() == {"energy"}
    assert last.result["beside"]["energy"].keys() == {"sample-only", "frozen"}
    gained = {
        "only_experiment": 5,
        "only_baseline": 1,
        "p": 0.21875,
        "points": {"value": 6.6667, "low": -1.0, "high": 15.0},
    }
    beside = {"energy": last.result["beside"]["energy"] | {"frozen": gained}}
    changed = attrs.evolve(last, result={**last.result, "beside": beside})
    attrs.evolve(manifest, stages=(*before, changed)).write(tmp_path)
    assert summarise_iteration(tmp_path).notes[-2] == (
        "round 1: energy beside frozen: +5 -1, +6.7 points (95 % interval -1.0 to +15.0), p = 0.22"
    )


def test_all_of_it_is_json(iterated: Path) -> None:
    summary = summarise_iteration(iterated)
    again = json.loads(json.dumps(summary.as_json()))
    assert again["judged_on"] == "test"
    assert [row["arm"] for row in again["rows"]] == [row.arm for row in summary.rows]


def changed(value: Any, path: tuple[Any, ...], new: object) -> Any:
    """``value`` with something else at ``path``; with nothing there, if that is ``...``."""
    value = copy.deepcopy(value)
    at = value
    for key in path[:-1]:
        at = at[key]
    if new is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = new
    return value


def paths_in(value: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key in value:
            yield (*path, key)
            yield from paths_in(value[key], (*path, key))


@pytest.mark.parametrize("new", [..., "x", 5, [], {}, None], ids=repr)
def test_a_manifest_that_lacks_a_figure_or_has_one_of_another_kind_is_summed_up_or_refused(
    iterated: Path, tmp_path: Path, new: object
) -> None:
    manifest = json.loads((iterated / "manifest.json").read_text())
    places = [
        ("stages", number, *path)
        for number, stage in enumerate(manifest["stages"])
        for path in [("stage",), *paths_in({name: stage[name] for name in ("result", "cost")})]
    ]
    said = []
    for place in places:
        (tmp_path / "manifest.json").write_text(json.dumps(changed(manifest, place, new)))
        try:
            iteration_table(summarise_iteration(tmp_path))
        except ConfigError as error:
            said.append(str(error))
    assert len(said) > len(places) // 10
    assert all("manifest.json" in each or "no round of the iteration" in each for each in said)


def test_an_iteration_from_before_heads_were_judged_by_areas_is_refused_in_words(
    iterated: Path, tmp_path: Path
) -> None:
    manifest = json.loads((iterated / "manifest.json").read_text())
    gate = next(stage for stage in manifest["stages"] if stage["stage"] == "rounds/0/gate")
    del gate["result"]["areas"]
    gate["result"]["is_adopted"] = False
    gate["versions"]["leanebm"] = "0.0.1"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(
        ConfigError, match=r"manifest\.json cannot be summed up: .*rounds/0/gate has no 'areas'"
    ) as caught:
        summarise_iteration(tmp_path)
    assert "go on with leanebm 0.0.1, which wrote it" in str(caught.value)
