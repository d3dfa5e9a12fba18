from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline import EnergyConfig, RunConfig, TuningRun, read_run_config, summarise_run
from leanebm.search import LengthNormalisedLogProb, SearchBudget, SearchConfig
from leanebm.testing import ToyWorld
from leanebm.trajectory import AnytimeCurve

Numbers = Callable[..., tuple[Theorem, ...]]


@pytest.fixture
def small(config: RunConfig) -> RunConfig:
    return attrs.evolve(config, search=SearchConfig(budget=SearchBudget(max_expansions=16)))


async def test_the_best_is_the_one_with_the_largest_area_and_its_settings_are_written(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems = numbers(*range(1, 25))
    found = await TuningRun(small, theorems, tmp_path, alphas=(0.0, 1.0, 3.0), opening=toy_bench(world)).run()
    assert [(arm.alpha, arm.beta) for arm in found.arms] == [(0.0, None), (1.0, None), (3.0, None)]
    for arm in found.arms:
        summary = summarise_run(tmp_path / "arms" / arm.name)
        spent = AnytimeCurve.of(summary.records).spent.values()
        area = sum(1 - math.log2(max(cost, 1)) / 4 for cost in spent if cost <= 16) / 24
        assert arm.area == pytest.approx(area)
        assert arm.proved == summary.totals.proved
    assert len({arm.area for arm in found.arms}) > 1
    assert found.best.area == max(arm.area for arm in found.arms)
    assert read_run_config(found.settings) == found.best.config
    assert found.best.config.scorer == LengthNormalisedLogProb(alpha=found.best.alpha)


async def test_of_equal_choices_the_first_is_the_best(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    found = await TuningRun(small, numbers(1), tmp_path, alphas=(0.5, 0.25, 0.5), opening=toy_bench(world)).run()
    assert [arm.alpha for arm in found.arms] == [0.5, 0.25]
    assert found.best is found.arms[0]


def test_a_head_is_tried_at_every_weight_and_left_out_as_well(tmp_path: Path, small: RunConfig) -> None:
    guided = attrs.evolve(small, energy=EnergyConfig(path=tmp_path, freeze_spectral=True))
    choices = TuningRun(guided, (), tmp_path, alphas=(0.5, 1.0), betas=(0.25, 1.0))._choices()
    assert list(choices) == [
        "alpha0.5",
        "alpha1",
        "alpha0.5-beta0.25",
        "alpha1-beta0.25",
        "alpha0.5-beta1",
        "alpha1-beta1",
    ]
    assert choices["alpha1"][2].energy == EnergyConfig()
    assert choices["alpha1-beta0.25"][2].energy == attrs.evolve(guided.energy, beta=0.25)


@pytest.mark.parametrize(
    ("alphas", "betas", "says"),
    [
        ((), (1.0,), "no exponent"),
        ((-1.0,), (1.0,), "-1.0 is no weight.*--alphas"),
        ((0.5,), (math.nan,), "nan is no weight.*--betas"),
        ((math.inf,), (1.0,), "inf is no weight"),
    ],
)
async def test_what_is_no_weight_is_refused(
    tmp_path: Path, small: RunConfig, alphas: Sequence[float], betas: Sequence[float], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        await TuningRun(small, (), tmp_path / "out", alphas=alphas, betas=betas).run()
    assert not (tmp_path / "out").exists()
