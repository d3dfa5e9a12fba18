from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import CertificationResult, Proof, Theorem
from leanebm.errors import (
    CommandRefused,
    ConfigError,
    LeanError,
    LeanInstallError,
    PoolClosed,
    WorkerDied,
    WorkerStartError,
)
from leanebm.lean import LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean
from leanebm.pipeline import ProofReward, reward
from leanebm.pipeline.reward import proof_in
from leanebm.testing import LOST, ToyCertifier, ToyWorld


@pytest.mark.parametrize(
    ("completion", "proof"),
    [
        ("intro n\nsimp", "intro n\nsimp"),
        ("Sure:\n```lean4\ntheorem x (n : Nat) : n + 0 = n := by\n  simp\n```\nDone.", "  simp"),
        ("theorem x : 1 = 1 := rfl", "exact (rfl)"),
        ("by\n  rfl", "  rfl"),
        ("```lean\nsorry\n```\nno:\n```lean\n  intro n\n  rfl\n", "  intro n\n  rfl"),
        ("theorem foo", ""),
        ("@[simp]\n\ntheorem x : 1 = 1 := by\n  rfl", "  rfl"),
        ("", ""),
    ],
)
def test_the_proof_of_a_completion(completion: str, proof: str) -> None:
    assert proof_in(completion) == proof


class Counting:
    """A certifier of the toy world that has a time limit and counts what it is asked."""

    def __init__(self) -> None:
        world = ToyWorld.countdown(8)
        moves: Any = world.moves
        moves["7"] = {"go": LOST}
        self.inner, self.asked, self.working, self.most = ToyCertifier(world), 0, 0, 0

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        self.asked += 1
        self.working += 1
        self.most = max(self.most, self.working)
        await asyncio.sleep(0)
        self.working -= 1
        if proof == ["wait"]:
            raise CommandRefused("timeout", "no time", command="proof.certify")
        return await self.inner.certify(theorem, proof)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    certifier = Counting()

    @asynccontextmanager
    async def certifiers(*_: object) -> AsyncIterator[Any]:
        yield reward._Certifiers([certifier, certifier])

    monkeypatch.setattr(reward, "_certifiers", certifiers)
    return certifier


def test_a_proof_is_worth_one_a_refused_one_nothing_and_of_what_broke_nothing_is_known(counting: Counting) -> None:
    completions = ["done", "wrong", "", "wait", "go", "done"]
    with ProofReward(LeanPoolConfig.embedded()) as graded:
        found = graded([""] * 6, completions, statement=["1", "1", "1", "1", "7", "1"], trainer_state=object())
    assert found == [1.0, 0.0, 0.0, None, None, 1.0]
    assert counting.asked == 4
    assert counting.most == 2


def test_conversations_and_threads(counting: Counting) -> None:
    with ProofReward(LeanPoolConfig.embedded()) as graded:
        said = [[{"role": "assistant", "content": "```lean\ndone\n```"}]]
        assert graded(prompts=[[]], completions=said, statement=["1"], completion_ids=[[1]]) == [1.0]
        assert graded.__name__ == "proof_reward"
    assert counting.asked == 1
    with pytest.raises(PoolClosed):
        graded([""], ["done"], statement=["1"])


@pytest.mark.parametrize(
    ("completions", "columns", "why"),
    [
        (["done"], {"goal": ["1"]}, "give a column statement"),
        (["done"], {"statement": ["1", "2"]}, "2 values for 1 completions @ statement"),
        (["done", "done"], {"statement": ["1", None]}, "@ completion 1"),
        (["done"], {"copy_from": [3]}, "copy_from is 3, no text @ completion 0"),
        (["done"], {"statement": ["1"], "header": [b"open Nat"]}, "header is b'open Nat', no text"),
        (["done"], {"statement": ["1"], "header": ["#eval 1"]}, "#eval 1"),
        (["done"], {"statement": ["theorem x : 1 = 1 := by rfl"]}, "it has a proof already"),
        (["done"], {"statement": ["import Mathlib\ntheorem x : 1 = 1 := by sorry"]}, "it imports Mathlib"),
        ([3], {"statement": ["1"]}, "a completion is a text or a list of messages, not 3"),
    ],
)
def test_a_data_set_that_does_not_say_what_to_prove_is_refused(
    counting: Counting, completions: list[Any], columns: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        ProofReward(LeanPoolConfig.embedded())([""] * len(completions), completions, **columns)
    assert counting.asked == 0


@pytest.mark.lean
def test_the_real_lean_grades_whole_proofs(embedded_lean: EmbeddedLean) -> None:
    assert embedded_lean.node.is_file()
    with ProofReward(LeanPoolConfig.embedded(num_workers=1)) as graded:
        completions = [
            "intro n\nsimp",
            "```lean4\ntheorem t : ∀ n : Nat, n + 0 = n := by\n  intro n\n  rfl\n```",
            "theorem t : True := trivial",
            "sorry",
            "exact fun n => rfl",
        ]
        found = graded([""] * 5, completions, statement=["∀ n : Nat, n + 0 = n"] * 5)
    assert found == [1.0, 1.0, 0.0, 0.0, 1.0]


def test_a_lost_worker_is_no_verdict() -> None:
    async def lost() -> float | None:
        class Dying:
            async def certify(self, *_: object) -> CertificationResult:
                raise WorkerDied("gone")

        [only] = await reward._Certifiers([Dying()]).rewards([Theorem(name="t", statement="1")], ["done"])
        return only

    assert asyncio.run(lost()) is None


@pytest.mark.usefixtures("counting")
def test_a_statement_may_be_a_whole_theorem() -> None:
    with ProofReward(LeanPoolConfig.embedded()) as graded:
        found = graded([""] * 2, ["done", "wrong"], statement=["theorem one : 1 := by sorry"] * 2, name=["A one/1"] * 2)
    assert found == [1.0, 0.0]


@pytest.mark.parametrize(
    "error", [LeanInstallError("no Lean"), WorkerStartError("no such module", is_lasting=True)], ids=["lean", "module"]
)
def test_a_lean_that_will_never_start_ends_the_training(error: LeanError) -> None:
    class Unusable:
        async def certify(self, *_: object) -> CertificationResult:
            raise error

    theorem = Theorem(name="t", statement="1")
    with pytest.raises(type(error), match=str(error)):
        asyncio.run(reward._Certifiers([Unusable()]).rewards([theorem, theorem], ["done", "go"]))


@pytest.mark.parametrize("piece", ["\n", " ", "@[\n", "theorem a\n", "```\n", "("])
def test_what_a_model_that_repeats_itself_writes_is_read_in_no_time(piece: str) -> None:
    """Quadratic, it would take minutes, and the test its time limit."""
    for text in (piece * 500_000, piece * (60_000 // len(piece)) + "x"):
        assert len(proof_in(text)) <= len(text)


@pytest.mark.usefixtures("counting")
def test_a_conversation_that_ends_in_a_call_of_a_tool_proves_nothing() -> None:
    with ProofReward(LeanPoolConfig.embedded()) as graded:
        said: list[dict[str, Any]] = [{"role": "assistant", "content": None, "tool_calls": []}]
        assert graded([""], [said], statement=["1"]) == [0.0]


@pytest.mark.parametrize("wrong", [{"deadline_s": 0.0}, {"deadline_s": float("nan")}, {"config": {"num_workers": 1}}])
def test_wrong_settings_are_refused_before_any_lean_is_started(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"a proof needs a finite time|expected a LeanPoolConfig"):
        ProofReward(**{"config": LeanPoolConfig.embedded(), **wrong})


@pytest.mark.lean
@pytest.mark.filterwarnings("ignore")  # those of the trainer's libraries, at one another
def test_trls_trainer_learns_by_it(embedded_lean: EmbeddedLean, tmp_path: Path) -> None:
    """A model that sometimes writes ``rfl`` gets 1 for it and 0 otherwise, and a step changes its weights."""
    assert embedded_lean.node.is_file()
    trl, datasets, torch = (pytest.importorskip(name) for name in ("trl", "datasets", "torch"))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from leanebm.pipeline.finetune.fresh_model import FreshModelConfig, fresh_model

    prompt = "theorem : 1 = 1 := by\n"
    shape = FreshModelConfig(vocabulary=300, hidden=32, layers=1, heads=2, context=64)
    folder = fresh_model(tmp_path / "model", [f"{prompt}rfl"] * 9, shape)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    text = tokenizer(f"{prompt}rfl{tokenizer.eos_token}", return_tensors="pt").input_ids
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    while (loss := model(input_ids=text, labels=text).loss) > 0.6:
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    given = list[float | None]()

    def graded(prompts: Any, completions: Any, **columns: Any) -> list[float | None]:
        given.extend(rewards := proof_reward(prompts, completions, **columns))
        return rewards

    with ProofReward(LeanPoolConfig.embedded(num_workers=1)) as proof_reward:
        trainer = trl.GRPOTrainer(
            model=model,
            processing_class=tokenizer,
            reward_funcs=graded,
            train_dataset=datasets.Dataset.from_list([{"prompt": prompt, "statement": "1 = 1"}]),
            args=trl.GRPOConfig(
                output_dir=str(tmp_path / "out"), max_steps=2, num_generations=16, per_device_train_batch_size=16,
                max_completion_length=8, use_cpu=True, bf16=False, report_to="none", save_strategy="no", seed=0,
            ),
        )  # fmt: skip
        before = {name: weight.clone() for name, weight in trainer.model.state_dict().items()}
        trainer.train()
    assert set(given) == {0.0, 1.0}
    assert any(not torch.equal(weight, before[name]) for name, weight in trainer.model.state_dict().items())
