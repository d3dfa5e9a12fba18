from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from _tiny_llama import tiny_llama

from leanebm.core import ProofState
from leanebm.errors import ConfigError
from leanebm.pipeline import FinetuneConfig, NothingToLearn, PolicyStep, RunConfig
from leanebm.pipeline.finetune.finetune_step import FinetuneStep
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig, TemplateBackend


@pytest.fixture
def step(tiny: Path) -> FinetuneStep:
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


async def test_of_several_servers_one_that_was_started_anew_is_told_again(
    step: PolicyStep, tiny: Path, pairs: Path, tmp_path: Path
) -> None:
    shutil.copy(pairs, tmp_path / "proofs.jsonl")
    backends = [HfBackend(HfConfig(model=str(tiny))) for _ in range(2)]
    async with PolicyServer(ServeConfig(), backends[0]) as one:
        learnt = await step.learn(tmp_path, tmp_path / "round-1", RunConfig(policy=PolicyClientConfig(url=one.url)))
        async with PolicyServer(ServeConfig(), backends[1]) as other:
            for urls in ((one.url, other.url), (other.url, one.url)):
                both = RunConfig(policy=PolicyClientConfig(url=",".join(urls)))
                await step.learn(tmp_path, tmp_path / "round-1", both)
                for url in urls:
                    async with PolicyClient(PolicyClientConfig(url=url)) as client:
                        assert list((await client.model_info()).adapters) == [learnt.policy.adapter]


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
    problems = r"nowhere is not the folder of a model: .* @ \$\.finetune\.model\n.* @ \$\.finetune\.continue_from"
    with pytest.raises(ConfigError, match=problems):
        FinetuneStep(FinetuneConfig(model="nowhere", continue_from=Path("nowhere")))


@pytest.mark.parametrize("version", [None, "mine"])
async def test_a_server_of_another_model_is_refused_unless_its_weights_have_a_name(
    step: FinetuneStep, tiny: Path, tmp_path: Path, version: str | None
) -> None:
    for model, is_right in ((tiny, True), (tiny_llama(tmp_path / "other", seed=1), False)):
        backend = HfBackend(HfConfig(model=str(model), weight_version=version))
        async with PolicyServer(ServeConfig(), backend) as server:
            run = RunConfig(policy=PolicyClientConfig(url=server.url))
            if is_right or version is not None:
                await step.check_server(run)
            else:
                with pytest.raises(ConfigError, match=rf"(?s)serves {model.name}, which is not .*@ \$.finetune.model"):
                    await step.check_server(run)


async def test_the_symbolic_server_is_no_server_of_the_model(step: FinetuneStep) -> None:
    async with PolicyServer(ServeConfig(), TemplateBackend()) as server:
        with pytest.raises(ConfigError, match="serves template, which is not the model that would learn"):
            await step.check_server(RunConfig(policy=PolicyClientConfig(url=server.url)))
