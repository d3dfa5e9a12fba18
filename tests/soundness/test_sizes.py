"""Texts of a size or depth that no proof has: no certificate, and the next proof is certified all the same."""

from __future__ import annotations

import pytest

from leanebm.core import Certificate, CertificationRejected, Theorem
from leanebm.errors import WorkerLost
from leanebm.lean import Certifier

from .tally import Tally

pytestmark = pytest.mark.lean

_MIB = 2**20
OVERSIZED = {
    "ten megabytes of blanks": "sorry" + " " * 10 * _MIB,
    "ten megabytes of comment": "/-" + "x" * 10 * _MIB + "-/\nsorry",
    "a long list": "exact (by decide : [" + ", ".join(["1"] * 200) + "] = [])",
    "deep brackets": "exact " + "(" * 1000 + "rfl" + ")" * 1000,
    "deep pairs": "exact " + "⟨rfl, " * 300 + "rfl" + "⟩" * 300,
    "a tower of powers": "exact (by decide : 2 ^ 2 ^ 2 ^ 2 ^ 2 ^ 2 = 0)",
    "a name too long": "exact " + "a" * _MIB,
}


OVERSIZED_CONTEXTS = {
    "a context of deep brackets": "def x := " + "(" * 1000 + "1" + ")" * 1000,
    "a context with a long sum": "def x := 1" + " + 1" * 8000,
    "a context of nested sections": "section\n" * 4000 + "x",
    "a context behind many words": "open Nat in " * 2500 + "x",
    "a context with a tower of powers": "theorem x : 2 ^ 2 ^ 2 ^ 2 ^ 2 ^ 2 = 0 := by decide",
    "a context with a name too long": f"def {'a' * 2**14} := x",
    "a context with a large type": "inductive T where\n" + "".join(f"  | a{i} (f : T → False)\n" for i in range(1000)),
}


@pytest.mark.parametrize("name", [*OVERSIZED, *OVERSIZED_CONTEXTS])
async def test_no_size_is_a_proof(certifier: Certifier, name: str, tally: Tally) -> None:
    theorem = Theorem(name="big", statement="1 = 2", context=OVERSIZED_CONTEXTS.get(name, ""))
    try:
        result = await certifier.certify(theorem, [OVERSIZED.get(name, "rfl")])
    except WorkerLost:
        tally.attack(name, "lost")  # neither accepted nor rejected
    else:
        tally.attack(name, result.reason if isinstance(result, CertificationRejected) else None)
        assert isinstance(result, CertificationRejected)
    after = await certifier.certify(Theorem(name="after", statement="1 + 1 = 2"), ["rfl"])
    assert isinstance(after, Certificate)
