from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.data import KnownProof, TacticPair, proofs_of, read_tactic_pairs, write_tactic_pairs
from leanebm.errors import ConfigError

ADD_ZERO = KnownProof(
    theorem=Theorem(
        name="add_zero", statement="∀ n : Nat, n + z = n", header="open Nat", context="def z := 0\n\nvariable (n : Nat)"
    ),
    tactics=("intro n", "induction n with\n| zero => rfl\n| succ n ih => rfl"),
    states=("⊢ ∀ n : Nat, n + 0 = n", "n : Nat\n⊢ n + 0 = n"),
)

ADD_COMM = KnownProof(
    theorem=Theorem(name="Nat.add_comm", copy_from="Nat.add_comm"),
    module="Init.Data.Nat.Basic",
    tactics=("omega",),
    states=("⊢ ∀ (n m : Nat), n + m = m + n",),
)

LINE = {"theorem": "t", "statement": "1 = 1", "step": 0, "num_steps": 1, "state": "⊢ 1 = 1", "tactic": "rfl"}


def lines(path: Path, *entries: dict[str, object] | str) -> Path:
    path.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in entries), encoding="utf-8")
    return path


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read_tactic_pairs(path)
    return caught.value.problems


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "pairs.jsonl"
    pairs = (*ADD_ZERO.pairs, *ADD_COMM.pairs)
    write_tactic_pairs(path, pairs)
    assert read_tactic_pairs(path) == pairs
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_writer_of_the_same_file_left_is_removed(tmp_path: Path) -> None:
    for name in (".pairs.jsonl-x1.part", ".other.jsonl-x1.part"):
        (tmp_path / name).touch()
    write_tactic_pairs(tmp_path / "pairs.jsonl", ADD_ZERO.pairs)
    assert {path.name for path in tmp_path.iterdir()} == {"pairs.jsonl", ".other.jsonl-x1.part"}


def test_the_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    write_tactic_pairs(path, [ADD_ZERO.pairs[1], *ADD_COMM.pairs, ADD_ZERO.pairs[0]])
    assert proofs_of(read_tactic_pairs(path)) == (ADD_ZERO, ADD_COMM)


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(st.lists(st.tuples(texts, texts.filter(str.strip)), min_size=1, max_size=5), texts)
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], module: str) -> None:
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    states, tactics = zip(*steps, strict=True)
    proof = KnownProof(theorem=ADD_ZERO.theorem, module=module, tactics=tactics, states=states)
    write_tactic_pairs(path, proof.pairs)
    assert proofs_of(read_tactic_pairs(path)) == (proof,)


def test_carriage_returns_end_lines_as_line_feeds_do() -> None:
    theorem = ADD_ZERO.theorem
    state, tactic = "n : Nat\r\n⊢ n = n\r", "skip\rrfl\r\n"
    pair = TacticPair(theorem=theorem, step=0, num_steps=1, state=state, tactic=tactic)
    assert (pair.state, pair.tactic) == ("n : Nat\n⊢ n = n\n", "skip\nrfl\n")
    (proof,) = proofs_of([pair])
    assert proof == KnownProof(theorem=theorem, tactics=("skip\rrfl\r",), states=("n : Nat\r⊢ n = n\r",))


def test_every_bad_line_is_listed(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "pairs.jsonl",
        LINE,
        "",
        "not json",
        "[1]",
        {**LINE, "step": "0", "tactic": None},
        {**LINE, "step": 3},
        {**LINE, "num_steps": True},
        {**LINE, "copy_from": "Nat.add_comm"},
        {**LINE, "tactic": "  "},
        {**LINE, "headr": "open Nat", "mine": 1},
        {**LINE, "meta": {"mine": 1}},
    )
    found = problems_of(path)
    assert [problem.rsplit(":", 1)[1] for problem in found] == ["3", "4", "5", "6", "7", "8", "9", "10"]
    assert "unknown key 'headr' (did you mean 'header'?); unknown key 'mine' (known are theorem, " in found[7]
    assert "'tactic' is missing; 'step' should be a whole number, not \"0\"" in found[2]
    assert "step 3 of 1 does not exist" in found[3]
    assert "'num_steps' should be a whole number, not true" in found[4]
    assert "exactly one of statement and copy_from" in found[5]


def test_a_proof_must_be_whole_and_speak_of_one_theorem(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "pairs.jsonl",
        {**LINE, "num_steps": 3},
        {**LINE, "num_steps": 3, "step": 1},
        {**LINE, "num_steps": 3, "step": 1},
        {**LINE, "num_steps": 3, "statement": "2 = 2"},
        {**LINE, "theorem": "u", "statement": "(1 = 1"},
    )
    found = problems_of(path)
    assert found[0] == f"step 0 of 't' occurs 2 times @ {path}:1"
    assert f"the proof of 't' lacks step 2 @ {path}:1" in found
    assert f"step 1 of 't' occurs 2 times @ {path}:3" in found
    assert f"'t' has another statement, module or number of steps than at 1 @ {path}:4" in found
    assert any("is missing" in problem and problem.endswith(f"@ {path}:5") for problem in found)


def test_a_lone_surrogate_is_no_text(tmp_path: Path) -> None:
    path = lines(tmp_path / "pairs.jsonl", {**LINE, "tactic": "exact \ud800"})
    assert problems_of(path) == (f"a text holds a lone surrogate @ {path}:1",)


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    with pytest.raises(ConfigError, match="no tactic pairs"):
        write_tactic_pairs(path, [])
    huge = attrs.evolve(ADD_COMM.pairs[0], state="x" * 2_000_000)
    with pytest.raises(ConfigError, match="not all pairs") as caught:
        write_tactic_pairs(path, [huge, ADD_ZERO.pairs[0]])
    assert caught.value.problems[0].endswith("@ pair 1")
    assert "lacks step 1 @ pair 2" in caught.value.problems[1]
    assert not path.exists()


def test_a_file_without_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the tactic pairs"):
        read_tactic_pairs(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no tactic pair"):
        read_tactic_pairs(lines(tmp_path / "empty.jsonl", "", ""))


def test_a_proof_that_claims_more_steps_than_memory_holds_lacks_some(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    step = {"theorem": "t", "statement": "True", "step": 1, "num_steps": 10**18, "state": "⊢ True", "tactic": "simp"}
    path.write_text(json.dumps(step))
    with pytest.raises(ConfigError) as caught:
        read_tactic_pairs(path)
    assert caught.value.problems == (f"the proof of 't' lacks step 0, 2, 3, 4, 5, 6, 7, 8, 9, 10 @ {path}:1",)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("step", -1, "step"),
        ("step", 2, "step 2 of 2 does not exist"),
        ("num_steps", 0, "num_steps"),
        ("state", "", "state"),
        ("tactic", " \n", "the tactic is empty"),
    ],
)
def test_what_is_no_step_is_refused(field: str, value: Any, problem: str) -> None:
    step: dict[str, Any] = {"step": 0, "num_steps": 2, "state": "⊢ True", "tactic": "trivial"}
    theorem = Theorem(name="t", statement="True")
    TacticPair(theorem=theorem, **step)
    with pytest.raises(ValueError, match=problem):
        TacticPair(theorem=theorem, **step | {field: value})


def test_a_pipe_is_not_waited_for_and_a_device_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(ConfigError, match=f"cannot read the tactic pairs in {path}: it is {kind}"):
            read_tactic_pairs(path)
