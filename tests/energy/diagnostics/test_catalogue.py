from __future__ import annotations

from pathlib import Path

import pytest

from leanebm.energy.diagnostics import ALARM_RULES, METRICS, Grade

PAGE = Path(__file__).parents[3] / "docs" / "diagnostics.md"


def test_a_figure_is_explained_once() -> None:
    names = [info.name for info in METRICS]
    assert len(names) == len(set(names))


def test_what_chance_gets_is_a_number_or_another_figure() -> None:
    names = {info.name for info in METRICS}
    for info in METRICS:
        assert not info.chance or info.chance in names or float(info.chance) in {0.0, 0.5}


@pytest.mark.parametrize("name", [rule.name for rule in ALARM_RULES] + [grade.value for grade in Grade])
def test_the_manual_knows_every_alarm_and_every_verdict(name: str) -> None:
    assert f"| {name} |" in PAGE.read_text(encoding="utf-8")
