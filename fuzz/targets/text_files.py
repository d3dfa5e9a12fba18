"""Data sets as text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fuzz.target import Finding, Target, refusals, scratch_folder
from leanebm.data import proofs_of, read_tactic_pairs, read_theorems, write_tactic_pairs, write_theorems
from leanebm.errors import ConfigError

__all__ = ["TARGETS", "fuzz_tactic_pairs", "fuzz_theorem_json", "fuzz_theorem_text"]


def fuzz_theorem_text(data: bytes) -> None:
    """One statement a line: theorems that could be written and read back, or mistakes with their lines."""
    _read_theorems(data, ".txt")


def fuzz_theorem_json(data: bytes) -> None:
    """One object a line: theorems that could be written and read back, or mistakes with their lines."""
    _read_theorems(data, ".jsonl")


def _read_theorems(data: bytes, suffix: str) -> None:
    path, copy = scratch_folder() / f"theorems{suffix}", scratch_folder() / "copy.jsonl"
    path.write_bytes(data)
    with refusals(ConfigError, naming=str(path)):
        theorems = read_theorems(path)
        write_theorems(copy, theorems)
        if read_theorems(copy) != theorems:
            raise Finding(f"theorems that do not come back equal: {theorems!r:.500}")


def fuzz_tactic_pairs(data: bytes) -> None:
    """One step a line: whole proofs, or mistakes with their lines."""
    path, copy = scratch_folder() / "pairs.jsonl", scratch_folder() / "copy.jsonl"
    path.write_bytes(data)
    with refusals(ConfigError, naming=str(path)):
        pairs = read_tactic_pairs(path)
        write_tactic_pairs(copy, pairs)
        if read_tactic_pairs(copy) != pairs or sum(proof.num_steps for proof in proofs_of(pairs)) != len(pairs):
            raise Finding(f"pairs that do not come back equal: {pairs!r:.500}")


def _text_seeds() -> Sequence[bytes]:
    lines = ["-- comment", "# comment", "∀ n : Nat, n + 0 = n", "#[1, 2].size = 2", "@Nat.add_comm", "@«a b».c", ""]
    return ["\n".join(lines).encode(), "∃ s, s = \"(\\\"\" ∧ 'x' = '\\'' ∧ f x' ⟨1, {2}⟩ = [«a»]\r\n".encode()]


def _json_seeds() -> Sequence[bytes]:
    objects = [
        {"name": "a", "statement": "∀ n : Nat, n = n", "header": "open Nat\nopen scoped Int\nuniverse u_1 v"},
        {"name": "Nat.add_comm", "copy_from": "Nat.add_comm", "own": [1]},
        {"name": "b.c'", "statement": "True", "copy_from": None},
    ]
    return ["\n".join(json.dumps(one, ensure_ascii=False) for one in objects).encode()]


def _pair_seeds() -> Sequence[bytes]:
    proof = {"theorem": "a", "statement": "∀ n : Nat, n = n", "header": "open Nat", "module": "M", "num_steps": 2}
    steps = [
        proof | {"step": 0, "state": "⊢ ∀ n : Nat, n = n", "tactic": "intro n"},
        proof | {"step": 1, "state": "n : Nat\n⊢ n = n", "tactic": "rfl"},
        {"theorem": "Nat.x", "copy_from": "Nat.x", "step": 0, "num_steps": 1, "state": "⊢ True", "tactic": "trivial"},
    ]
    return ["\n".join(json.dumps(step, ensure_ascii=False) for step in steps).encode()]


TARGETS = (
    Target(
        fuzz_theorem_text, _text_seeds, ("@", "--", "/-", "theorem ", ":= by", "«", "»", "(", "⟩", '"', "'\\''", "#[")
    ),
    Target(fuzz_theorem_json, _json_seeds, ('"name"', '"statement"', '"copy_from"', '"header"', "open ", "universe u")),
    Target(fuzz_tactic_pairs, _pair_seeds, ('"step"', '"num_steps"', '"theorem"', '"tactic"', '"state"')),
)
