from __future__ import annotations

import pytest

from leanebm.lean.absent_modules import absent_modules, how_to_do_without


@pytest.mark.parametrize(
    ("complaint", "absent"),
    [
        ("uncaught exception: unknown module prefix 'Mathlib'\n\nNo directory 'Mathlib' or file", ("Mathlib",)),
        ("object file '/x/Mathlib/Tactic.olean' of module Mathlib.Tactic does not exist", ("Mathlib.Tactic",)),
        ("unknown package 'Aesop'\nunknown package 'Aesop'\nunknown package 'Plausible'", ("Aesop", "Plausible")),
        ("uncaught exception: out of memory", ()),
        ("", ()),
    ],
)
def test_a_complaint_names_the_modules_that_are_not_there(complaint: str, absent: tuple[str, ...]) -> None:
    assert absent_modules(complaint) == absent


def test_what_to_do_depends_on_whether_mathlib_is_what_is_missing() -> None:
    assert "Nat for ℕ" in how_to_do_without(["Aesop", "Mathlib.Tactic"])
    assert how_to_do_without(["Mine"]).startswith("correct the imports, or choose a Lean that has them")
