"""From searches to a model that writes proofs to their end, through a real server, to a search that replays them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneSources, RunConfig, SearchRun
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import BestFirstSearch, WholeProofSearch
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig
from leanebm.testing import QED, ToyCertifier, ToyWorld

STEPS = ("intro h", "cases h", "apply f", "exact g")
WORLD = ToyWorld(
    moves={
        f"{name} {number}": {step: QED if number == 3 else f"{name} {number + 1}"}
        for name in "abcdefgh"
        for number, step in enumerate(STEPS)
    }
)
"""Eight theorems with the same proof, so that whoever has learnt seven knows the eighth."""

LEARNT: dict[str, Any] = {"learn": "whole_proofs", "prompt_format": "first_goal"}


@pytest.fixture
async def searched(tmp_path: Path, toy_bench: Callable[..., Any]) -> FinetuneSources:
    theorems = [Theorem(name=name, statement=name) for name in WORLD.moves]
    await SearchRun(RunConfig(), theorems, tmp_path / "run", opening=toy_bench(WORLD)).run()
    return FinetuneSources(trajectories=(tmp_path / "run",))


async def test_a_model_learns_whole_proofs_and_one_question_is_enough(
    searched: FinetuneSources, tiny: Path, run_of: Callable[..., Any], tmp_path: Path
) -> None:
    settings = {**LEARNT, "whole": True, "rank": None, "learning_rate": 0.01, "max_steps": 144}
    report = await run_of(tiny, None, tmp_path / "tuned", sources=searched, **settings).run()
    parts: dict[str, Any] = {"environment": WORLD, "certifier": ToyCertifier(WORLD)}
    backend = HfBackend(HfConfig(model=report.adapter, device="cpu"))
    asked: dict[str, Any] = {"prompt_format": "first_goal", "max_tactic_tokens": 64, "temperature": 0.0}
    async with PolicyServer(ServeConfig(port=0), backend) as server:
        async with PolicyClient(PolicyClientConfig(url=server.url, whole_proofs=True, **asked)) as policy:
            await policy.wait_ready()
            whole = await WholeProofSearch(policy=policy, **parts).run("c 0")
        async with PolicyClient(PolicyClientConfig(url=server.url, **asked)) as policy:
            single = await BestFirstSearch(policy=policy, **parts).run("c 0")
    assert whole.certificate is not None
    assert whole.certificate.tactics == STEPS
    assert (whole.statistics.expansions, whole.statistics.policy_calls) == (1, 1)
    assert single.certificate is not None
    assert single.statistics.policy_calls == len(STEPS)


async def test_pairs_hold_no_whole_proofs(
    searched: FinetuneSources, pairs: Path, tiny: Path, run_of: Callable[..., Any], tmp_path: Path
) -> None:
    sources = FinetuneSources(trajectories=searched.trajectories, pairs=(pairs,))
    with pytest.raises(ConfigError, match=r"@ --pairs"):
        await run_of(tiny, None, tmp_path / "tuned", sources=sources, **LEARNT).run()
