from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import ProofState
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneConfig, NothingToLearn, PolicyStep, RunConfig
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


async def test_proofs_that_share_all_states_are_nothing_to_learn_from(
    step: PolicyStep, pairs: Path, tmp_path: Path
) -> None:
    steps = [json.loads(line) | {"state": "⊢ the same"} for line in pairs.read_text().splitlines()]
    (tmp_path / "proofs.jsonl").write_text("".join(json.dumps(each) + "\n" for each in steps))
    run = RunConfig(policy=PolicyClientConfig(url="http://h:1"))
    with pytest.raises(NothingToLearn, match="each theorem shares all of its states"):
        await step.learn(tmp_path, tmp_path / "round-1", run)


async def test_the_embedded_policy_cannot_learn(step: PolicyStep, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"symbolic.*\n.*@ run.policy.url"):
        await step.learn(tmp_path, tmp_path / "round-1", RunConfig())


@pytest.mark.parametrize("setting", [{"whole": True}, {"learn": "goals"}, {"unlikelihood": 0.5}])
def test_what_no_round_can_give_is_refused_before_the_first(tiny: Path, setting: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"@ \$.finetune.{next(iter(setting))}"):
        FinetuneStep(FinetuneConfig(model=str(tiny), **setting))


def test_a_model_that_is_not_there_is_missed_before_the_first_round() -> None:
    with pytest.raises(ConfigError, match="nowhere is not the folder of a model"):
        FinetuneStep(FinetuneConfig(model="nowhere"))
