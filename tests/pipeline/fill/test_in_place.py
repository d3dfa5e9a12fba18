from __future__ import annotations

import pytest

from leanebm.core import Proof, ProofStep
from leanebm.lean.files import CertifiedFile, FileSorries, SorryPlace, StatedTheorem
from leanebm.pipeline.fill.in_place import disturbed, insertions, own_and_others
from leanebm.pipeline.fill.lean_file import Edit, edited_source

_COMMANDS = ((0, 10), (12, 30), (32, 40))
_LONGER = Edit(20, 25, "longer text")  # by six bytes


@pytest.mark.parametrize(
    ("found", "is_disturbed"),
    [
        (((0, 10), (12, 36), (38, 46)), False),
        (((0, 10), (12, 36)), True),
        (((0, 10), (12, 36), (38, 46), (47, 50)), True),
        (((0, 10), (12, 30), (38, 46)), True),
        (((0, 10), (12, 28), (29, 46)), True),
        ((), True),
    ],
)
def test_commands_must_be_where_they_were(found: tuple[tuple[int, int], ...], is_disturbed: bool) -> None:
    assert disturbed(_COMMANDS, [_LONGER], CertifiedFile(commands=found, theorems=())) is is_disturbed


def test_parts_of_a_theorem_are_told_from_other_declarations() -> None:
    names = ("a", "a.two", "b")
    known = FileSorries(
        commands=(),
        theorems=tuple(StatedTheorem(name=name, start=0, sorries=()) for name in names),
        others=(),
    )
    unproved = ["a", "a.go", "a.two", "b", "ab"]
    assert own_and_others("a", known, unproved) == (["a", "a.go"], ["a.two", "b", "ab"])


def _written(source: str, proof: Proof, *, is_tactic: bool) -> list[str]:
    start = source.encode().index(b"sorry")
    place = SorryPlace(start=start, stop=start + 5, is_tactic=is_tactic)
    return [edited_source(source, [edit]) for edit in insertions(source, place, proof)]


@pytest.mark.parametrize(
    ("source", "proof", "written"),
    [
        ("  sorry", ["rfl"], "  rfl"),
        ("  sorry\n  done", ["intro x", "simp"], "  intro x\n  simp\n  done"),
        ("  · sorry", ["intro x", "simp"], "  · intro x\n    simp"),
        ("  have h : p := by sorry", ["simp"], "  have h : p := by simp"),
        ("  have h : p := by sorry", ["a", "b"], "  have h : p := by\n    a\n    b"),
        ("  | zero => sorry", ["a", "b"], "  | zero =>\n    a\n    b"),
        ("  · have h : p := by sorry", ["a", "b"], "  · have h : p := by\n      a\n      b"),
        ("theorem é : p := by sorry", ["a", "b"], "theorem é : p := by\n  a\n  b"),
        ("  sorry", ["a\n  b", "c"], "  a\n    b\n  c"),
        ("  sorry", [ProofStep("constructor", children=(["a"], ["b"]))], "  constructor\n  · a\n  · b"),
    ],
)
def test_a_tactic_s_place_is_taken_by_tactics(source: str, proof: Proof, written: str) -> None:
    assert _written(source, proof, is_tactic=True)[0] == written


@pytest.mark.parametrize(
    ("source", "proof", "written"),
    [
        ("theorem a : p := sorry", ["rfl"], "theorem a : p := by rfl"),
        ("theorem a : p := sorry\n", ["a", "b"], "theorem a : p := by\n  a\n  b\n"),
        ("theorem a : p :=\n  sorry\n", ["a", "b"], "theorem a : p :=\n  by\n    a\n    b\n"),
        ("  exact ⟨1, sorry⟩", ["rfl"], "  exact ⟨1, by rfl⟩"),
        ("  exact ⟨sorry, x⟩", ["rfl"], "  exact ⟨by rfl, x⟩"),
        ("  exact f sorry", ["rfl"], "  exact f (by rfl)"),
        ("  exact sorry.elim", ["rfl"], "  exact (by rfl).elim"),
        ("  exact f sorry x", ["a", "b"], "  exact f (by\n      a\n      b) x"),
        ("  _ = b := sorry -- why", ["rfl"], "  _ = b := by rfl -- why"),
    ],
)
def test_a_term_s_place_is_taken_by_a_block(source: str, proof: Proof, written: str) -> None:
    assert _written(source, proof, is_tactic=False)[0] == written


def test_a_comment_does_not_swallow_a_bracket() -> None:
    assert _written("f sorry x", ["rfl -- so"], is_tactic=False)[0] == "f (by rfl -- so\n  ) x"


@pytest.mark.parametrize("is_tactic", [True, False])
def test_there_is_a_way_with_brackets(is_tactic: bool) -> None:
    written = _written("  all_goals sorry", ["a", "b"], is_tactic=is_tactic)
    word = "focus" if is_tactic else "by"
    assert f"  all_goals ({word}\n      a\n      b)" in written
