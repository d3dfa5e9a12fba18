from __future__ import annotations

from typing import Any

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.lean._certificate_audit import audit
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply

_THEOREM = Theorem(name="t", copy_from="Nat.add_comm")
_GOOD = CertifiedReply("p", "f00d", ("propext",), ("Nat.add_zero",), ("Nat.add_zero",), "4.28.0")


def test_a_sound_certificate_passes_and_so_does_a_rejection() -> None:
    rejected = CertifyRejectedReply("sorry", "it uses sorryAx")
    assert audit(_THEOREM, _GOOD) is _GOOD
    assert audit(_THEOREM, rejected) is rejected


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"axioms": ("propext", "sorryAx")}, "sorry"),
        ({"constants": ("sorryAx",)}, "sorry"),
        ({"trusted_constants": ("sorryAx",)}, "sorry"),
        ({"axioms": ("Lean.ofReduceBool",)}, "axioms"),
        ({"axioms": ("cheat",)}, "axioms"),
        ({"constants": ("Nat.add_comm",)}, "self_reference"),
        ({"trusted_constants": ("Nat.add_comm",)}, "self_reference"),
        ({"statement": " "}, "elaboration"),
        ({"fingerprint": ""}, "elaboration"),
    ],
)
def test_one_that_contradicts_itself_is_rejected(lie: dict[str, Any], reason: str) -> None:
    verdict = audit(_THEOREM, attrs.evolve(_GOOD, **lie))
    assert isinstance(verdict, CertifyRejectedReply)
    assert verdict.reason == reason
