from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from leanebm.core import Theorem
from leanebm.data import LibraryTheorem, read_theorems, write_library_file
from leanebm.errors import CommandRefused, LeanError, StatementError, WorkerLost
from leanebm.lean import LeanPool
from leanebm.lean.requests import env_theorems
from leanebm.pipeline import Cause, check_statements
from leanebm.pipeline.theorem_check import cause_of, library_by_fingerprint, refused_by_cause
from leanebm.testing import ToyWorld

_SHAPES = Path(__file__).parents[1] / "data" / "shapes"

_UNKNOWN = "unknown identifier 'x'"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (StatementError("parse", "<input>:1:4: unexpected token '='; expected term"), Cause.SYNTAX),
        (StatementError("elab", _UNKNOWN), Cause.UNKNOWN),
        (StatementError("header", "unknown namespace 'Nowhere'"), Cause.UNKNOWN),
        (StatementError("elab", "unknown universe level 'u'"), Cause.UNIVERSE),
        (StatementError("forbidden", "run_cmd runs code"), Cause.REFUSED),
        (StatementError("length", "the statement is too long for Lean"), Cause.REFUSED),
        (StatementError("elab", "type mismatch"), Cause.TYPE),
        (StatementError("elab", "maximum number of heartbeats (200000) has been reached"), Cause.LIMIT),
        (CommandRefused("timeout", "the statement was not elaborated within 30 s"), Cause.LIMIT),
        (WorkerLost("it was killed"), Cause.BROKEN),
    ],
)
def test_what_lean_says_tells_the_cause(error: LeanError, cause: Cause) -> None:
    assert cause_of(Theorem(name="t", statement="x"), error, ("Init",)) is cause


@pytest.mark.parametrize(
    ("statement", "header", "context", "imports", "cause"),
    [
        ("∀ x : ℝ, x = x", "", "", ("Init", "Std"), Cause.MATHLIB),
        ("1 = 1", "open BigOperators Nat", "", ("Init",), Cause.MATHLIB),
        ("∀ α : Type*, α = α", "", "", ("Init",), Cause.MATHLIB),
        ("∀ x : ℝ, x = x", "", "", ("Mathlib.Tactic",), Cause.UNKNOWN),
        ("∀ x : ℝ, x = x", "", 'notation "ℝ" => Nat', ("Init",), Cause.UNKNOWN),
        ("∀ x : Set, x = y", "", "structure Set where", ("Init",), Cause.UNKNOWN),
        ("∀ x : Settled, x = y", "", "", ("Init",), Cause.UNKNOWN),
    ],
)
def test_what_only_mathlib_has_is_told_from_a_name_that_nobody_has(
    statement: str, header: str, context: str, imports: Sequence[str], cause: Cause
) -> None:
    theorem = Theorem(name="t", statement=statement, header=header, context=context)
    assert cause_of(theorem, StatementError("elab", _UNKNOWN), imports) is cause
    assert cause_of(theorem, StatementError("forbidden", "run_cmd runs code"), imports) is Cause.REFUSED


async def test_those_that_do_not_open_are_counted_by_cause() -> None:
    theorems = [Theorem(name=name, statement=name) for name in ("1", "nowhere", "elsewhere")]
    library = Theorem(name="l", copy_from="Nat.nowhere")
    counts = await refused_by_cause([*theorems, library], ToyWorld.countdown(3), imports=("Init",), concurrency=2)
    assert counts == Counter({Cause.SYNTAX: 2})


@pytest.mark.lean
async def test_real_lean_finds_every_cause(lean_pool: LeanPool) -> None:
    found = await check_statements([theorem for theorem, _ in _SOME], lean_pool)
    assert {check.theorem.name: check.cause for check in found} == {theorem.name: cause for theorem, cause in _SOME}
    by_name = {check.theorem.name: check for check in found}
    assert by_name["again"].message == "as 'twice'"
    assert by_name["again"].fingerprint == by_name["twice"].fingerprint
    assert by_name["copy"].message == "as 'copied'"
    assert by_name["commutes"].message == "as Nat.mul_comm"
    assert "Lean's own library" in by_name["real"].message


@pytest.mark.lean
async def test_what_a_theorem_of_the_library_says_is_found_there(
    lean_pool: LeanPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = await lean_pool.ask(env_theorems(["Init.Data.Nat.Basic"], limit=100))
    once = {each.fingerprint: each for each in answer.theorems}.values()
    known = [
        LibraryTheorem(name=each.name, module=each.module, statement=each.statement, fingerprint=each.fingerprint)
        for each in once
        if not {"Sort", "Type"} & set(each.statement.split())  # their universes have names that a header would declare
    ]
    write_library_file(tmp_path / "library.parquet", known)
    monkeypatch.setattr("leanebm.pipeline.theorem_check.SHIPPED_LIBRARY", tmp_path / "library.parquet")
    theorems = [Theorem(name=f"t{number}", statement=each.statement) for number, each in enumerate(known)]
    library_by_fingerprint.cache_clear()
    try:
        found = await check_statements(theorems, lean_pool)
    finally:
        library_by_fingerprint.cache_clear()
    assert len(found) > 20
    assert {check.cause for check in found} == {Cause.LIBRARY}
    assert [check.message for check in found] == [f"as {each.name}" for each in known]


@pytest.mark.lean
@pytest.mark.parametrize("name", ["programs.lean", "contexts.lean"])
async def test_real_lean_states_every_theorem_of_a_file_after_what_stands_before_it(
    lean_pool: LeanPool, name: str
) -> None:
    theorems = read_theorems(_SHAPES / name)
    found = await check_statements(theorems, lean_pool)
    assert {check.theorem.name: check.cause for check in found} == {theorem.name: Cause.GOOD for theorem in theorems}
    assert len({check.fingerprint for check in found}) == len(theorems)


def _case(name: str, statement: str, cause: Cause, *, header: str = "", context: str = "") -> tuple[Theorem, Cause]:
    return Theorem(name=name, statement=statement, header=header, context=context), cause


_SOME = [
    _case("twice", "∀ k : Nat, k + 1 + 1 = k + 2", Cause.GOOD),
    _case("again", "(k : Nat) : k + 1 + 1 = k + 2", Cause.DUPLICATE),
    (Theorem(name="copied", copy_from="Nat.add_comm"), Cause.GOOD),
    _case("copy", "∀ n m : Nat, n + m = m + n", Cause.DUPLICATE),
    _case("commutes", "∀ n m : Nat, n * m = m * n", Cause.LIBRARY),
    _case("parse", "1 + = 2", Cause.SYNTAX),
    _case("unknown", "noSuchThing 3 = 3", Cause.UNKNOWN),
    _case("nowhere", "1 = 1", Cause.UNKNOWN, header="open NoSuchNamespace"),
    _case("real", "∀ x : ℝ, x = x", Cause.MATHLIB),
    _case("sums", "1 = 1", Cause.MATHLIB, header="open BigOperators"),
    _case("universe", "∀ α : Type u, ∀ a : α, a = a", Cause.UNIVERSE),
    _case("level", "@Eq.{1} Type Nat Nat", Cause.UNIVERSE),
    _case("typed", "(1 : Nat) = true", Cause.TYPE),
    _case("left", "(sorry : Nat) = 3", Cause.REFUSED),
    _case("bounds", "(n : Nat) (h : n < 3) (g : 5 < n) : n * n = 7", Cause.CONTRADICTION),
    _case("negated", "(p q : Prop) (h : p) (g : ¬p) : q", Cause.CONTRADICTION),
    _case("refuted", "(p : Prop) (h : p ∧ ¬p) : False", Cause.GOOD),
    _case("own", "double 2 = 4", Cause.GOOD, context="def double (n : Nat) := n + n"),
    _case("own_twice", "double 2 = 5", Cause.UNKNOWN),
]
