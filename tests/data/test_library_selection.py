from __future__ import annotations

import pytest

from leanebm.data import LibrarySelection, LibraryTheorem, is_statement_worthy, why_unworthy
from leanebm.data.library_selection import MAX_LIBRARY_STATEMENT_CHARS


def library_theorem(name: str, statement: str = "∀ (n : Nat), n = n", fingerprint: str = "") -> LibraryTheorem:
    return LibraryTheorem(name=name, statement=statement, module="Init.Core", fingerprint=fingerprint or name)


@pytest.mark.parametrize(
    "name",
    ["Nat.add_comm", "Or.elim", "Prod.ext", "Nat.rec_add_one", "List.getElem?_append", "Some.inj'", "List.below_max"],
)
def test_what_a_person_would_state_is_kept(name: str) -> None:
    assert is_statement_worthy(library_theorem(name))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("_private.Init.Core.0.foo", "not public"),
        ("Nat.add._simp_1", "not public"),
        ("Nat.foo._proof_1", "not public"),
        ("List.map.eq_1", "generated"),
        ("List.map.eq_def", "generated"),
        ("Prod.mk.injEq", "generated"),
        ("Prod.mk.inj", "generated"),
        ("Prod.mk.sizeOf_spec", "generated"),
        ("Prod.ext_iff", "generated"),
        ("Nat.noConfusion", "generated"),
        ("foo.match_1", "generated"),
        ("foo.match_1.eq_1", "generated"),
        ("foo.proof_1", "generated"),
        ("foo.congr_simp", "generated"),
        ("foo.hcongr_3", "generated"),
        ("Nat.gcd.induct", "generated"),
        ("List.map.induct_unfolding", "generated"),
        ("List.map.fun_cases", "generated"),
        ("Nat.brecOn.eq", "generated"),
        ("List.instLawfulBEqList", "generated"),
        ("Bool.ofNat_ctorIdx", "generated"),
        ("Lean.Omega.Int.add_comm", "machinery"),
        ("Nat.Linear.Poly.denote_cons", "machinery"),
        ("Lean.Grind.Ring.add_comm", "machinery"),
    ],
)
def test_what_lean_makes_for_itself_is_dropped(name: str, reason: str) -> None:
    assert why_unworthy(library_theorem(name)) == reason


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("∀ (n✝ : Nat), n✝ = n✝", "unreadable"),
        ("xs[0]'⋯ = 1", "unreadable"),
        ("∀ {motive : Nat → Prop}, motive 0", "unreadable"),
        ("n" * (MAX_LIBRARY_STATEMENT_CHARS + 1), "too long"),
    ],
)
def test_statements_nobody_wrote_are_dropped(statement: str, reason: str) -> None:
    assert why_unworthy(library_theorem("foo", statement)) == reason


def test_a_statement_is_kept_once_under_its_first_worthy_name_and_the_rest_is_counted() -> None:
    selection = LibrarySelection.of(
        library_theorem(name, fingerprint=fingerprint)
        for name, fingerprint in [("x.eq_1", "a"), ("new_name", "a"), ("other", "b"), ("old_name", "a"), ("y.inj", "c")]
    )
    assert [theorem.name for theorem in selection.kept] == ["new_name", "other"]
    assert selection.dropped == {"generated": 2, "stated before": 1}
