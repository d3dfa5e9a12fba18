from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs
import numpy as np
import pytest

from leanebm.energy.diagnostics import (
    Alarm,
    Estimate,
    Findings,
    Grade,
    PromotionGate,
    Severity,
    diagnose,
    probe_embeddings,
)

from .planted import Examined, examine

GOOD = Estimate(value=0.75, standard_error=0.02, low=0.71, high=0.79, count=80)
TWIN = Estimate(value=0.505, standard_error=0.02, low=0.465, high=0.545, count=80)


def grade(
    metrics: Mapping[str, Estimate] = MappingProxyType({}),
    *,
    alarms: tuple[Alarm, ...] = (),
) -> Grade:
    known = {"pairwise_sibling": GOOD, "twin_pairwise": TWIN, **metrics}
    return PromotionGate().judge(Findings(metrics=known), alarms).grade


def test_a_good_head_is_promoted() -> None:
    assert grade() is Grade.PROMOTED


@pytest.mark.parametrize(
    "metrics",
    [
        {"pairwise_sibling": attrs.evolve(GOOD, value=0.60, low=0.55, high=0.64)},
        {"twin_pairwise": attrs.evolve(TWIN, value=0.54)},
        {"twin_pairwise": Estimate.nothing()},
    ],
)
def test_what_is_short_of_promotion_is_below_target(metrics: dict[str, Estimate]) -> None:
    assert grade(metrics) is Grade.BELOW_TARGET


def test_chance_within_the_interval_is_no_better_than_chance() -> None:
    assert (
        grade({"pairwise_sibling": attrs.evolve(GOOD, value=0.54, low=0.49, high=0.59)}) is Grade.NO_BETTER_THAN_CHANCE
    )


def test_few_theorems_say_nothing_however_good_they_look() -> None:
    assert grade({"pairwise_sibling": attrs.evolve(GOOD, value=0.99, low=0.97, high=1.0, count=9)}) is Grade.UNTESTED
    assert grade({"pairwise_sibling": Estimate.nothing()}) is Grade.UNTESTED


def test_a_fatal_alarm_outweighs_any_figure() -> None:
    alarm = Alarm(name="a", severity=Severity.FATAL, finding="f", cause="c", remedy="r")
    assert grade(alarms=(alarm,)) is Grade.UNSOUND
    assert grade(alarms=(attrs.evolve(alarm, severity=Severity.WARNING),)) is Grade.PROMOTED


def test_only_sound_heads_that_know_something_may_steer() -> None:
    assert {each for each in Grade if each.may_steer} == {Grade.PROMOTED, Grade.BELOW_TARGET}


def test_a_planted_head_is_promoted_and_keeps_its_weight(healthy: Examined) -> None:
    diagnosis, *_ = healthy
    assert diagnosis.verdict.grade is Grade.PROMOTED
    assert diagnosis.calibration == diagnosis.fit.calibration
    assert diagnosis.calibration.beta > 0


def test_planted_noise_is_found_out_and_loses_its_weight(noise: Examined) -> None:
    diagnosis, *_ = noise
    assert diagnosis.verdict.grade is Grade.NO_BETTER_THAN_CHANCE
    assert diagnosis.calibration.beta == 0.0


def test_a_weak_head_keeps_what_little_weight_it_earned() -> None:
    diagnosis, *_ = examine(gap=0.4, theorems=100)
    assert diagnosis.verdict.grade is Grade.BELOW_TARGET
    assert diagnosis.calibration.beta == diagnosis.fit.calibration.beta > 0


def test_a_head_turned_round_is_unsound_and_loses_its_weight() -> None:
    diagnosis, *_ = examine(gap=-1.0)
    assert diagnosis.verdict.grade is Grade.UNSOUND
    assert diagnosis.calibration.beta == 0.0


def test_a_head_whose_encoder_drifted_loses_the_weight_that_was_fitted(healthy: Examined) -> None:
    _, siblings, frontiers = healthy
    drifted = probe_embeddings(np.eye(8), before=np.eye(8), again=np.eye(8)[::-1])
    diagnosis = diagnose(siblings, frontiers=frontiers, embeddings=drifted)
    assert diagnosis.verdict.grade is Grade.UNSOUND
    assert diagnosis.fit.calibration.beta > 0
    assert diagnosis.calibration.beta == 0.0


def test_a_verdict_gives_its_figure() -> None:
    verdict = PromotionGate().judge(Findings(metrics={"pairwise_sibling": GOOD, "twin_pairwise": TWIN}), ())
    assert verdict.reasons == ("sibling pairwise accuracy 0.750 [0.710, 0.790]",)


def test_impossible_thresholds_are_refused() -> None:
    with pytest.raises(ValueError, match="min_pairwise"):
        PromotionGate(min_pairwise=0.3)
