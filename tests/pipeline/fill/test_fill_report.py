from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.core import CertificationRejected, Theorem
from leanebm.pipeline.fill.fill_report import FilledTheorem, FillReport, SorryReport

_FILLED = SorryReport(line=1, column=2, proof="rfl")
_LEFT = SorryReport(line=3, column=4, reason="not found")


def _theorem(*sorries: SorryReport, reason: str = "sorry", unproved: tuple[str, ...] = ()) -> FilledTheorem:
    result = CertificationRejected(
        theorem=Theorem(name="t", statement="p"), source="", tactics=(), reason=reason, message="it rests on sorryAx"
    )
    return FilledTheorem(name="t", line=1, sorries=sorries, result=result, unproved=unproved)


@pytest.mark.parametrize(
    ("theorem", "shortfall"),
    [
        (_theorem(_FILLED, _LEFT), "1 sorry left"),
        (_theorem(_LEFT, _LEFT, unproved=("a",)), "2 sorries left"),
        (_theorem(_FILLED, unproved=("a",)), "it rests on a, which has a sorry"),
        (_theorem(_FILLED, unproved=("a", "b")), "it rests on a, b, which have a sorry"),
        (_theorem(_FILLED, reason="axioms"), "axioms: it rests on sorryAx"),
    ],
)
def test_what_a_theorem_lacks_is_said_in_words(theorem: FilledTheorem, shortfall: str) -> None:
    assert theorem.shortfall == shortfall
    assert not theorem.is_certified


def test_a_report_counts_every_sorry() -> None:
    report = FillReport(path=Path("a.lean"), theorems=(_theorem(_FILLED, _LEFT),), others=(_LEFT,))
    assert (len(report.sorries), report.num_filled, report.is_complete) == (3, 1, False)
    assert FillReport(path=Path("a.lean")).is_complete
