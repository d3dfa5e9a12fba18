from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import ProofState
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneConfig, PolicyStep, RunConfig
from leanebm.pipeline.finetune.finetune_step import FinetuneStep
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig


@pytest.fixture
def step(tiny: Path) -> PolicyStep:
    return FinetuneStep(FinetuneConfig(model=str(tiny), max_steps=2, batch_size=4, prompt_format="bfs_prover"))


async def test_searches_ask_the_rounds_adapter_which_the_server_was_told_to_load(
    step: PolicyStep, tiny: Path, pairs: Path, tmp_path: Path, proof_state: ProofState
) -> None:
    shutil.copy(pairs, tmp_path / "proofs.jsonl")
    async with PolicyServer(ServeConfig(), HfBackend(HfConfig(model=str(tiny)))) as server:
        base = RunConfig(policy=PolicyClientConfig(url=server.url, max_tactic_tokens=8))
        learnt = await step.learn(tmp_path, tmp_path / "round-1", base)
        assert await step.learn(tmp_path, tmp_path / "round-1", base) == learnt, "what is done is taken as it is"
        async with PolicyClient(learnt.policy) as client:
            info = await client.wait_ready()
            await client.propose(proof_state, 2)
    assert list(info.adapters) == [learnt.policy.adapter]
    assert str(learnt.policy.adapter).startswith("round-1-")
    assert learnt.policy.prompt_format == "bfs_prover"
    assert learnt.policy.encoder == base.policy.encoder


async def test_the_embedded_policy_cannot_learn(step: PolicyStep, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"symbolic.*\n.*@ run.policy.url"):
        await step.learn(tmp_path, tmp_path / "round-1", RunConfig())


@pytest.mark.parametrize("setting", [{"whole": True}, {"hindsight": True}, {"unlikelihood": 0.5}])
def test_what_no_round_can_give_is_refused_before_the_first(tiny: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"@ \$.finetune.{next(iter(setting))}"):
        FinetuneStep(FinetuneConfig(model=str(tiny), **setting))


def test_a_model_that_is_not_there_is_missed_before_the_first_round() -> None:
    with pytest.raises(ConfigError, match="nowhere is not the folder of a model"):
        FinetuneStep(FinetuneConfig(model="nowhere"))
