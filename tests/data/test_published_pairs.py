"""Tactic pairs in the shapes in which others publish them; those under ``shapes`` were made by us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from leanebm.core import Theorem
from leanebm.data import KnownProof, proofs_of, read_tactic_pairs, write_tactic_pairs
from leanebm.data._published_pairs import _module_at
from leanebm.errors import ConfigError

_SHAPES = Path(__file__).with_name("shapes") / "pairs"


def told_proofs(name: str) -> tuple[tuple[KnownProof, ...], str]:
    told: list[str] = []
    proofs = proofs_of(read_tactic_pairs(_SHAPES / name, tell=told.append))
    (sentence,) = told
    return proofs, sentence


_ADD_ZERO = KnownProof(
    theorem=Theorem(name="Nat.add_zero", copy_from="Nat.add_zero"),
    tactics=("intro n", "rfl"),
    states=("⊢ ∀ (n : Nat), n + 0 = n", "n : Nat\n⊢ n + 0 = n"),
)


def test_traced_tactics_are_proofs_of_library_theorems_in_their_module() -> None:
    (proof,), sentence = told_proofs("leandojo.json")
    assert proof.module == "Made.Up.Basic"
    assert (proof.theorem, proof.tactics, proof.states) == (_ADD_ZERO.theorem, _ADD_ZERO.tactics, _ADD_ZERO.states)
    assert "proofs: 1, of library theorems that Lean must have: 1; left out: 1, such as: " in sentence
    assert sentence.endswith("leandojo.json:row 3")  # the second was proved by a term, and that is no mistake


def test_rows_of_one_name_are_one_proof() -> None:
    (first, second), sentence = told_proofs("steps.csv")
    assert first == _ADD_ZERO
    assert (second.theorem.copy_from, second.tactics) == ("Nat.succ_pos", ("exact Nat.succ_pos _",))
    assert sentence.endswith("proofs: 2, of library theorems that Lean must have: 2")


def test_rows_without_a_name_state_what_their_state_shows() -> None:
    (instance, chain, case), sentence = told_proofs("state_tactic.jsonl")
    assert (instance.theorem.header, instance.theorem.statement) == (
        "universe u_1",
        "(α : Type u_1) [BEq α] (a b : α) (h : a = b ∧\n    True) : b = a",
    )
    assert (chain.theorem.statement, chain.tactics) == ("∀ n : Nat, n = n", ("intro n", "rfl"))
    assert case.theorem.statement == "1 = 1"
    assert len({proof.theorem.name for proof in (instance, chain, case)}) == 3
    assert "; left out: 4, such as: it has no name, and its state is not one goal" in sentence


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_carriage_returns_end_lines_in_pairs_without_a_name(tmp_path: Path, line_end: str) -> None:
    path = tmp_path / "pairs.jsonl"
    states = [f"p : Prop{line_end}h : p{line_end}⊢ p ∧ p", "p : Prop\nh : p\n⊢ p"]
    first = {"state": states[0], "tactic": f"apply And.intro{line_end}exact h", "state_after": states[1] + line_end}
    second = {"state": states[1] + "\n", "tactic": f"exact h{line_end}"}
    path.write_text(f"{json.dumps(first)}\n{json.dumps(second)}\n")
    (proof,) = proofs_of(read_tactic_pairs(path))
    assert proof.theorem.statement == "(p : Prop) (h : p) : p ∧ p"
    assert proof.states == ("p : Prop\nh : p\n⊢ p ∧ p", "p : Prop\nh : p\n⊢ p\n")
    assert proof.tactics == ("apply And.intro\nexact h", "exact h\n")


@pytest.mark.parametrize("name", ["leandojo.json", "steps.csv", "state_tactic.jsonl"])
def test_published_pairs_are_written_in_our_own_form(name: str, tmp_path: Path) -> None:
    pairs = read_tactic_pairs(_SHAPES / name)
    write_tactic_pairs(tmp_path / "pairs.jsonl", pairs)
    assert read_tactic_pairs(tmp_path / "pairs.jsonl") == pairs


def test_our_own_form_is_read_in_every_format(tmp_path: Path) -> None:
    pairs = _ADD_ZERO.pairs
    lines = tmp_path / "pairs.jsonl"
    write_tactic_pairs(lines, pairs)
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    (tmp_path / "pairs.JSON").write_text(json.dumps(rows))
    assert read_tactic_pairs(tmp_path / "pairs.JSON") == pairs
    lines.rename(tmp_path / "pairs")
    assert read_tactic_pairs(tmp_path / "pairs") == pairs


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"traced_tactics": [{"tactic": "rfl", "state_before": "⊢ 1 = 1"}, 7], "full_name": "t"}, "in step 2"),
        ({"state": "⊢ 1 = \ud800", "tactic": "rfl"}, "lone surrogate"),
        ({"state": "⊢ (1 = 1", "tactic": "rfl"}, "a ) is missing"),
        ({"state": "h 1 = 1\n⊢ 1 = 1", "tactic": "rfl"}, "cannot be made a statement"),
        ({"state": "⊢ ?m.7 = 1", "tactic": "rfl"}, "names that Lean cannot read back"),
    ],
)
def test_what_gives_no_proof_is_told_and_a_file_without_proofs_refused(
    row: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row))
    told: list[str] = []
    with pytest.raises(ConfigError, match="holds no tactic pair"):
        read_tactic_pairs(path, tell=told.append)
    assert complaint in told[0]


def test_a_step_of_ours_without_its_number_is_a_mistake_and_no_published_pair(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"theorem": "t", "statement": "1 = 1", "state": "⊢ 1 = 1", "tactic": "rfl"}))
    with pytest.raises(ConfigError) as caught:
        read_tactic_pairs(path)
    assert "'step' is missing; 'num_steps' is missing" in caught.value.problems[0]


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("Mathlib/Order/Basic.lean", "Mathlib.Order.Basic"),
        (".lake/packages/std/Std/Data/List.lean", "Std.Data.List"),
        ("Basic.lean", "Basic"),
        ("a-b/src/Own.lean", "Own"),
        ("Own/a-b.lean", ""),
        ("lower/case.lean", ""),
        ("Own.txt", ""),
        ("", ""),
        ("A/" * 25_000 + "-.lean", ""),
    ],
)
def test_a_path_leads_to_a_module(path: str, module: str) -> None:
    assert _module_at(path) == module
