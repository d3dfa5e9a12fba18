from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.data import KnownProof
from leanebm.errors import ConfigError
from leanebm.pipeline import RunConfig, SearchRun, certified_proofs
from leanebm.pipeline.contrastive.certified_proofs import _with_modules, _with_unique_names
from leanebm.search import AndOrSearch, SearchBudget, SearchConfig
from leanebm.testing import QED, ToyWorld

ToyBench = Callable[..., Any]

LONG = ToyWorld(moves={"a": {"go": "b"}, "b": {"on": "c"}, "c": {"end": QED}, "d": {"end": QED}})

SHORT = ToyWorld(moves={**LONG.moves, "a": {"go": "c"}})


@pytest.fixture
def searched(tmp_path: Path, config: RunConfig, toy_bench: ToyBench) -> Callable[..., Any]:
    """``await searched("run", world, theorem, …)`` searches into a folder of that name and gives it back."""

    async def search(name: str, world: ToyWorld, *theorems: Theorem, max_expansions: int = 20) -> Path:
        small = attrs.evolve(config, search=SearchConfig(budget=SearchBudget(max_expansions=max_expansions)))
        await SearchRun(small, theorems, tmp_path / name, opening=toy_bench(world)).run()
        return tmp_path / name

    return search


A = Theorem(name="a", statement="a")


async def test_a_proofs_steps_come_with_the_states_they_were_run_on(searched: Callable[..., Any]) -> None:
    run = await searched("run", LONG, A)
    expected = KnownProof(theorem=A, tactics=("go", "on", "end"), states=("⊢ a", "⊢ b", "⊢ c"))
    assert certified_proofs([run]) == (expected,)
    assert certified_proofs([run / "trajectory"]) == (expected,)
    assert certified_proofs([run / "trajectory" / "part-000000.parquet"]) == (expected,)


async def test_only_certified_proofs_count(searched: Callable[..., Any]) -> None:
    cheating = attrs.evolve(LONG, cheats=frozenset({("c", "end")}))
    run = await searched("run", cheating, A, Theorem(name="d", statement="d"))
    assert [proof.theorem.name for proof in certified_proofs([run])] == ["d"]
    out_of_budget = await searched("other", LONG, A, max_expansions=1)
    assert certified_proofs([out_of_budget]) == ()


async def test_the_shortest_proof_of_several_is_kept_under_the_first_name(searched: Callable[..., Any]) -> None:
    long, short = await searched("long", LONG, A), await searched("short", SHORT, attrs.evolve(A, name="again"))
    for paths in ([long, short], [short, long]):
        [proof] = certified_proofs(paths)
        assert proof.tactics == ("go", "end")
    assert certified_proofs([long, short])[0].theorem.name == "a"


async def test_a_name_that_states_two_things_is_made_two_names(searched: Callable[..., Any]) -> None:
    first = await searched("first", LONG, attrs.evolve(A, name="line_1"))
    second = await searched("second", LONG, Theorem(name="line_1", statement="d"))
    one, other = certified_proofs([first, second])
    assert (one.theorem.name, one.theorem.statement) == ("line_1", "a")
    assert (other.theorem.name.startswith("line_1_"), other.theorem.statement) == (True, "d")
    assert certified_proofs([first, second])[1] == other, "the name is the same next time"


def test_what_holds_no_trajectory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no trajectory yet"):
        certified_proofs([tmp_path])
    with pytest.raises(ConfigError, match="no trajectories"):
        certified_proofs([])


def test_a_library_theorem_comes_with_its_module() -> None:
    library = KnownProof(
        theorem=Theorem(name="x", copy_from="Nat.add_comm"), tactics=("omega",), states=("⊢ a + b = b + a",)
    )
    own = attrs.evolve(library, theorem=A)
    found = list(_with_unique_names(_with_modules([library, own])))
    assert [proof.module for proof in found] == ["Init.Data.Nat.Basic", ""]


async def test_a_proof_that_is_a_tree_is_left_out_and_told(
    tmp_path: Path, config: RunConfig, toy_bench: ToyBench, caplog: pytest.LogCaptureFixture
) -> None:
    fork = ToyWorld(moves={"a": {"fork": "b & c"}, "b": {"end": QED}, "c": {"end": QED}, "d": {"end": QED}})

    @asynccontextmanager
    async def opening(*given: Any) -> AsyncIterator[Any]:
        async with toy_bench(fork)(*given) as bench:
            yield attrs.evolve(bench, make_search=AndOrSearch)

    theorems = [A, Theorem(name="d", statement="d")]
    summary = await SearchRun(config, theorems, tmp_path / "run", opening=opening).run()
    assert summary.totals.certified == 2
    assert [proof.theorem.name for proof in certified_proofs([tmp_path / "run"])] == ["d"]
    assert "left out 1 certified proof whose goals were proved separately" in caplog.text
