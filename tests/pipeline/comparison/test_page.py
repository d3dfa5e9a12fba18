from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.pipeline import (
    BudgetComparison,
    DepthComparison,
    Interval,
    RunComparison,
    write_comparison_page,
)
from leanebm.trajectory import Cost

pytest.importorskip("jinja2")


GAIN = Interval(value=0.125, low=-0.05, high=0.25)


def comparison(experiment: str, name: str) -> RunComparison:
    return RunComparison(
        baseline=Path("plain"),
        experiment=Path(experiment),
        differences=("$.config.scorer.alpha: 1.0, not 0.5",),
        cost=Cost.EXPANSIONS,
        theorems=40,
        left_out=(),
        budgets=tuple(
            BudgetComparison(budget=budget, baseline=b, experiment=e, only_baseline=0, only_experiment=e - b, gain=GAIN)
            for budget, b, e in ((1, 0, 10), (4, 20, 40))
        ),
        area=Interval(value=0.25, low=0.1, high=0.4),
        only_baseline=(),
        only_experiment=(name,),
        depths=(DepthComparison(depth=2, baseline=20, experiment=40),),
    )


def test_the_page_has_every_curve_table_and_difference(tmp_path: Path) -> None:
    theorem = Theorem(name="<script>", statement="1 = 1").name
    page = write_comparison_page(tmp_path / "page.html", [comparison("first", theorem), comparison("second", "t")])
    text = page.read_text(encoding="utf-8")
    assert text.count("<polyline") == 3
    assert "0.0,280.0 640.0,140.0" in text  # the baseline: 0 of 40, then 20 of 40
    assert "0.0,210.0 640.0,0.0" in text
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "+0.250" in text
    assert "+12.5 (-5.0 to +25.0)" in text
    assert "1.0, not 0.5" in text
    assert "http" not in text.replace("http-equiv", "")


def test_curves_of_unlike_budgets_and_theorems_share_their_axes(tmp_path: Path) -> None:
    first, other = comparison("first", "t"), comparison("other", "t")
    row = attrs.evolve(other.budgets[-1], budget=16, experiment=20, cut_experiment=3)
    other = attrs.evolve(other, theorems=20, budgets=(*other.budgets[:1], row))
    text = write_comparison_page(tmp_path / "page.html", [first, other]).read_text(encoding="utf-8")
    assert "0.0,210.0 320.0,0.0" in text, "4 is half way to 16: 10 of 40, then 40 of 40"
    assert "0.0,140.0 640.0,0.0" in text, "10 of 20, then 20 of 20"
    assert "16: 0 and 3" in " ".join(text.split())
