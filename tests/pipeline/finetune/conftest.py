"""A tiny model, and pairs that it can learn in seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from _tiny_llama import tiny_llama

from leanebm.core import Goal, ProofState, StateRef, Theorem
from leanebm.data import TacticPair, write_tactic_pairs
from leanebm.pipeline import FinetuneConfig, FinetuneSources
from leanebm.pipeline.finetune.finetune_run import FinetuneReport, FinetuneRun

WritePairs = Callable[..., Path]
RunOf = Callable[..., FinetuneRun]
Made = tuple[Path, FinetuneReport]

QUICK = {"learning_rate": 0.015, "batch_size": 8, "max_steps": 8, "evaluations": 4, "rank": 8}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def write_pairs(tmp_path: Path) -> WritePairs:
    """``write_pairs(24)``: proofs of two steps each, whose tactics depend on the state alone."""
    return functools.partial(_write_pairs, tmp_path)


def _write_pairs(
    folder: Path, theorems: int = 24, *, name: str = "pairs.jsonl", tactic: str = "rw [Nat.add_zero]"
) -> Path:
    pairs = []
    for number in range(theorems):
        theorem = Theorem(name=f"t{number}", statement=f"{number} + 0 = {number}")
        steps = ((f"⊢ {number} + 0 = {number}", tactic), (f"⊢ {number} = {number}", "rfl"))
        pairs += [
            TacticPair(theorem=theorem, step=step, num_steps=2, state=state, tactic=chosen)
            for step, (state, chosen) in enumerate(steps)
        ]
    write_tactic_pairs(folder / name, pairs)
    return folder / name


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pairs of 24 theorems."""
    return _write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """A model this small is slower with several, and sums come out the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _run_of(tiny: Path, pairs: Path | None, folder: Path, *, observer: Any = None, **more: Any) -> FinetuneRun:
    sources = more.pop("sources", None) or FinetuneSources(pairs=() if pairs is None else (pairs,))
    config = FinetuneConfig(model=str(tiny), **{**QUICK, **more})
    return FinetuneRun(config, sources, folder, observer=observer)


@pytest.fixture(scope="session")
def run_of() -> RunOf:
    """``run_of(model, pairs, folder, max_steps=2)``: a short fine-tuning."""
    return _run_of


@pytest.fixture(scope="session")
async def tuned(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The folder and the report of a training that went on for long enough."""
    folder = tmp_path_factory.mktemp("tuned")
    return folder, await _run_of(tiny, pairs, folder, max_steps=48).run()


@pytest.fixture(scope="session")
async def short(tiny: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The same of a training of eight steps."""
    folder = tmp_path_factory.mktemp("short")
    return folder, await _run_of(tiny, pairs, folder).run()


@pytest.fixture(scope="session")
def proof_state() -> ProofState:
    """One like those that the tiny model learns on."""
    return ProofState((Goal("⊢ 7 + 0 = 7", "7 + 0 = 7"),), "key", StateRef(epoch=1, state_id=0))
