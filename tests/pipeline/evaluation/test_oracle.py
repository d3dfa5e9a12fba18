from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import SearchOutcome, Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import EvaluationRun, RunConfig, SearchRun, read_run_config
from leanebm.pipeline.evaluation.oracle import Oracle
from leanebm.search import BreadthFirst, LengthNormalisedLogProb, RandomOrder
from leanebm.testing import SAMPLE_LEAVES, ToyWorld, check_scorer

Numbers = Callable[..., tuple[Theorem, ...]]


async def test_known_proofs_are_followed_without_a_detour(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems = numbers(*range(1, 25))
    arms = {
        "random": attrs.evolve(config, scorer=RandomOrder()),
        "broad": attrs.evolve(config, scorer=BreadthFirst()),
        "oracle": attrs.evolve(config, scorer=Oracle(tmp_path)),
    }
    found = await EvaluationRun(arms, theorems, tmp_path, headroom=1, opening=toy_bench(world)).run()
    shortest = {
        name: min(
            len(record.certificate.tactics)
            for arm in ("random", "broad")
            for record in found.summaries[arm].records
            if record.theorem.name == name and record.certificate is not None
        )
        for name in (theorem.name for theorem in theorems)
    }
    for record in found.summaries["oracle"].records:
        assert record.outcome is SearchOutcome.PROVED
        assert record.expansions <= shortest[record.theorem.name]


async def test_it_keeps_the_contract_and_falls_back_on_the_policy(
    tmp_path: Path, config: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    await SearchRun(config, numbers(3), tmp_path / "run", opening=toy_bench(world)).run()
    for folder in (tmp_path, tmp_path / "run"):  # the run itself, and a folder that holds runs
        oracle = Oracle(folder)
        await check_scorer(oracle)
        assert await oracle.score(SAMPLE_LEAVES) == await LengthNormalisedLogProb().score(SAMPLE_LEAVES)
        async with world.open(numbers(3)[0]) as proof:
            root = proof.root
        on_path = attrs.evolve(SAMPLE_LEAVES[3], theorem=numbers(3)[0], state=root)
        [score] = await oracle.score([on_path])
        assert 0.0 < score < 1.0
        elsewhere = attrs.evolve(on_path, theorem=numbers(5)[0])
        assert (await oracle.score([elsewhere]))[0] <= 0.0


async def test_without_runs_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "trajectory").mkdir()
    with pytest.raises(ConfigError, match="no run in"):
        await Oracle(tmp_path).score(SAMPLE_LEAVES)


def test_it_is_named_in_settings(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[scorer]\nkind = "oracle"\nruns = "runs/arms"\n')
    assert read_run_config(tmp_path / "c.toml").scorer == Oracle(Path("runs/arms"))
