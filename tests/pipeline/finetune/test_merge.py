from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.core import Candidate, ProofState
from leanebm.errors import ConfigError
from leanebm.pipeline.finetune.finetune_run import FinetuneReport, merge_adapter
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig


async def test_a_merged_model_answers_as_the_adapter_does(
    tuned: tuple[Path, FinetuneReport], tiny: Path, tmp_path: Path, proof_state: ProofState
) -> None:
    folder, _ = tuned
    killed = tmp_path / "in/.merged.merging"
    killed.mkdir(parents=True)
    (killed / "model-00001-of-00002.safetensors").touch()
    merged = merge_adapter(tiny, folder / "adapter", tmp_path / "in/merged")
    assert {path.name for path in merged.parent.iterdir()} == {"merged"}
    assert not list(merged.glob("model-*"))
    candidates: list[Candidate] = []
    for config, name in (
        (HfConfig(model=str(tiny), adapters={"a": str(folder / "adapter")}), "a"),
        (HfConfig(model=str(merged)), None),
    ):
        async with PolicyServer(ServeConfig(), HfBackend(config)) as server:
            asked = PolicyClientConfig(url=server.url, adapter=name, temperature=0.0, max_tactic_tokens=24)
            async with PolicyClient(asked) as client:
                info = await client.wait_ready()
                candidates += await client.propose(proof_state, 1)
    assert info.prompt_formats == {"": "state_comment"}
    assert candidates[0].tactic == candidates[1].tactic
    assert candidates[0].log_prob == pytest.approx(candidates[1].log_prob, abs=1e-4)
    with pytest.raises(ConfigError, match="already exists"):
        merge_adapter(tiny, folder / "adapter", merged)
