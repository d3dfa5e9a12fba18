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


@pytest.mark.parametrize("name", OVERSIZED)
async def test_no_size_is_a_proof(certifier: Certifier, name: str, tally: Tally) -> None:
    try:
        result = await certifier.certify(Theorem(name="big", statement="1 = 2"), [OVERSIZED[name]])
    except WorkerLost:
        tally.attack(name, "lost")  # neither accepted nor rejected
    else:
        tally.attack(name, result.reason if isinstance(result, CertificationRejected) else None)
        assert isinstance(result, CertificationRejected)
    after = await certifier.certify(Theorem(name="after", statement="1 + 1 = 2"), ["rfl"])
    assert isinstance(after, Certificate)
