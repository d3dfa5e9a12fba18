"""A tiny model, and pairs that it can learn in seconds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from _tiny_llama import tiny_llama

from leanebm.core import Theorem
from leanebm.data import TacticPair, write_tactic_pairs

WritePairs = Callable[..., Path]


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


@pytest.fixture(scope="module")
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
