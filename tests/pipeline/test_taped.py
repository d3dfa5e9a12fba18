from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.cassette import Cassette
from leanebm.core import ProofState, Theorem
from leanebm.errors import CassetteMiss, ConfigError
from leanebm.pipeline import Parts, RunConfig, SearchRun, WorkbenchOpener, recorded_toml, refuse_clock, taped
from leanebm.policy import PolicyClientConfig
from leanebm.search import SearchBudget, SearchConfig
from leanebm.search.scorers import NegativeEnergy
from leanebm.testing import LOST, SAMPLE_LEAVES, ToyWorld
from leanebm.trajectory import read_trajectory

Numbers = Callable[..., tuple[Theorem, ...]]
ToyBench = Callable[..., Any]

TIMES = {"started_unix_s", "found_s", "run_id", "wall_s", "policy_s", "lean_s", "score_s", "certify_s"}
"""Columns and fields that say which run it was and how long it took."""


def rows(folder: Path) -> list[dict[str, Any]]:
    found = [attrs.asdict(row) for row in read_trajectory(folder).rows()]
    return sorted(
        ({name: value for name, value in row.items() if name not in TIMES} for row in found),
        key=lambda row: (row["theorem"], row["node"]),
    )


def records(folder: Path) -> dict[str, Any]:
    return {
        record.theorem.name: attrs.evolve(
            record, **{name: getattr(record, name) * 0 for name in TIMES - {"found_s", "run_id"}}, run_id=""
        )
        for record in read_trajectory(folder).records
    }


async def search(cassette: Cassette, config: RunConfig, theorems: Sequence[Theorem], into: Path, *real: Any) -> None:
    await SearchRun(config, theorems, into, opening=taped(cassette, *real)).run()


@pytest.fixture
def deadly(world: ToyWorld) -> ToyWorld:
    moves: Any = world.moves
    moves["12"] = dict.fromkeys(moves["12"], LOST)
    return world


async def test_a_run_replays_row_by_row(
    tmp_path: Path, config: RunConfig, deadly: ToyWorld, numbers: Numbers, toy_bench: ToyBench, never: WorkbenchOpener
) -> None:
    theorems = numbers(1, 5, 12, 31, 30, 29)
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await search(cassette, config, theorems, tmp_path / "a", toy_bench(deadly))
    await search(Cassette.replay(tmp_path / "a.gz"), config, theorems, tmp_path / "b", never)
    assert rows(tmp_path / "b") == rows(tmp_path / "a")
    assert records(tmp_path / "b") == records(tmp_path / "a")
    assert {record.outcome.value for record in records(tmp_path / "a").values()} == {"proved", "infrastructure"}
    proofs = {path.name: path.read_text() for path in (tmp_path / "a" / "proofs").glob("*.lean")}
    assert {path.name: path.read_text() for path in (tmp_path / "b" / "proofs").glob("*.lean")} == proofs
    run = read_trajectory(tmp_path / "b").runs[0]
    assert run.config["served"] == {"replayed": True}


async def test_other_settings_of_the_search_miss_and_end_the_run(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await search(cassette, config, numbers(31), tmp_path / "a", toy_bench(world))
    fewer = attrs.evolve(config, search=attrs.evolve(config.search, candidates_per_state=2))
    with pytest.raises(CassetteMiss, match="the policy, for 2 tactics on\n⊢ 31"):
        await search(Cassette.replay(tmp_path / "a.gz"), fewer, numbers(31), tmp_path / "b")
    assert not list((tmp_path / "b" / "trajectory").glob("*.parquet"))


async def test_settings_that_a_replay_would_only_seem_to_follow_are_refused(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await search(cassette, config, numbers(3), tmp_path / "a", toy_bench(world))
    hot = attrs.evolve(config, seed=3, policy=PolicyClientConfig(url=config.policy.url, temperature=0.5))
    with pytest.raises(ConfigError, match="other settings") as refused:
        await search(Cassette.replay(tmp_path / "a.gz"), hot, numbers(3), tmp_path / "b")
    assert [problem.rpartition(" @ ")[2] for problem in refused.value.problems] == ["$.policy.temperature", "$.seed"]


class Counting:
    """An energy model with a memory, which no replay could guess."""

    def __init__(self) -> None:
        self.calls = 0

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        self.calls += len(states)
        return [float(len(state.text)) + 1 / self.calls for state in states]


async def test_energies_and_parts_of_ones_own_are_replayed_without_them(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: ToyBench
) -> None:
    guided = attrs.evolve(config, scorer=NegativeEnergy(), parts=Parts(energy_model=Counting()))
    plain = toy_bench(world)

    def opening(config: RunConfig, observer: Any) -> Any:
        return _with_energy(plain(config, observer), guided.parts.energy_model)

    with Cassette.record(tmp_path / "a.gz") as cassette:
        await search(cassette, guided, numbers(31, 29), tmp_path / "a", opening)
    cassette = Cassette.replay(tmp_path / "a.gz")
    assert "Counting" not in recorded_toml(cassette)
    again = attrs.evolve(config, scorer=NegativeEnergy())
    await search(cassette, again, numbers(31, 29), tmp_path / "b")
    assert rows(tmp_path / "b") == rows(tmp_path / "a")
    assert any(row["energy"] is not None for row in rows(tmp_path / "b"))


class _with_energy:  # noqa: N801 - a context manager
    def __init__(self, inner: Any, energy: Any) -> None:
        self.inner, self.energy = inner, energy

    async def __aenter__(self) -> Any:
        return attrs.evolve(await self.inner.__aenter__(), energy=self.energy)

    async def __aexit__(self, *how: Any) -> Any:
        return await self.inner.__aexit__(*how)


def test_a_search_that_a_clock_may_end_is_not_recorded() -> None:
    refuse_clock(RunConfig())
    with pytest.raises(ConfigError, match="--wall-s"):
        refuse_clock(RunConfig(search=SearchConfig(budget=SearchBudget(max_wall_s=3.0))))


async def test_a_cassette_of_no_run_says_so(tmp_path: Path, config: RunConfig, numbers: Numbers) -> None:
    with Cassette.record(tmp_path / "a.gz") as cassette:
        await cassette.energy_model(Counting()).energies([SAMPLE_LEAVES[0].state])
    with pytest.raises(ConfigError, match="not of a run"):
        await search(Cassette.replay(tmp_path / "a.gz"), config, numbers(3), tmp_path / "b")
