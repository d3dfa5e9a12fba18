from __future__ import annotations

import pytest

from leanebm.energy.diagnostics import TrainingFacts

from .planted import SPECTRAL


def test_what_nobody_measured_is_no_figure() -> None:
    assert TrainingFacts().metrics() == {}


def test_what_was_measured_is() -> None:
    metrics = TrainingFacts(steps=10, skipped_steps=0, spectral=SPECTRAL).metrics()
    assert (metrics["skipped_steps"].value, metrics["skipped_steps"].count) == (0.0, 10)
    assert metrics["sn_shortfall_max"].value == pytest.approx(1 - 1.36 / 1.4)
