from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch

from leanebm.core import EncoderIdentity, ProofState, Theorem
from leanebm.energy import (
    Calibration,
    CheckpointHeader,
    EnergyCheckpoint,
    EnergyHead,
    EnergyHeadConfig,
    TunedWeights,
    load_checkpoint,
    save_checkpoint,
)
from leanebm.errors import ConfigError, EnergyError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import (
    EnergyConfig,
    Engine,
    LocalEngine,
    Observer,
    Override,
    Parts,
    RunConfig,
    ShardsEngine,
    TuningRun,
    Workbench,
    WorkbenchOpener,
    guided_scorer,
    read_run_config,
    summarise_run,
)
from leanebm.pipeline.energy.counting_encoder import CountingEncoder
from leanebm.search import LengthNormalisedLogProb, SearchBudget, SearchConfig
from leanebm.testing import LOST, ScriptedPolicy, ToyWorld
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
        area = sum(1 - math.log2(max(cost, 4) / 4) / 2 for cost in spent if cost <= 16) / 24
        assert arm.area == pytest.approx(area)
        assert arm.proved == summary.totals.proved
    assert len({arm.area for arm in found.arms}) > 1
    assert found.best.area == max(arm.area for arm in found.arms)
    assert read_run_config(found.settings) == found.best.config
    assert found.best.config.scorer == LengthNormalisedLogProb(alpha=found.best.alpha)


async def test_workers_that_share_the_searches_choose_what_one_process_does(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    theorems = numbers(*range(1, 13))

    async def tune(folder: str, engine: Engine) -> list[tuple[str, int, float, bool]]:
        run = TuningRun(small, theorems, tmp_path / folder, alphas=(0.0, 3.0), opening=toy_bench(world), engine=engine)
        found = await run.run()
        assert read_run_config(found.settings) == found.best.config
        return [(arm.name, arm.proved, arm.area, arm is found.best) for arm in found.arms]

    alone = await tune("alone", LocalEngine())
    assert await asyncio.gather(*(tune("shared", ShardsEngine()) for _ in range(3))) == [alone] * 3
    assert await tune("shared", ShardsEngine()) == alone, "one that comes late finds the same"


async def test_a_theorem_that_broke_under_one_choice_counts_for_none(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    """Or a choice would gain by breaking on what is hard."""

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        breaks = config.scorer == LengthNormalisedLogProb(alpha=0.0)
        found = ToyWorld(moves={**world.moves, "24": {"decrement": LOST}}) if breaks else world
        async with toy_bench(found)(config, observer) as bench:
            yield bench

    one = attrs.evolve(small, concurrency=1)
    found = await TuningRun(one, numbers(1, 24), tmp_path, alphas=(0.0, 1.0), opening=opening).run()
    broken, whole = (summarise_run(tmp_path / "arms" / arm.name) for arm in found.arms)
    assert (broken.totals.infrastructure, whole.totals.infrastructure) == (1, 0)
    assert [arm.area for arm in found.arms] == [AnytimeCurve.of(whole.records).areas(4.0, 16.0)["n1"]] * 2
    assert [arm.proved for arm in found.arms] == [1, 1]


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


# --- into the head -------------------------------------------------------------------------------

UNITS = Calibration(energy_mean=0.0, energy_sd=1.0, policy_sd=1.0, alpha=0.5, beta=0.25)


def head_in(folder: Path, calibration: Calibration | None = UNITS) -> Path:
    config = EnergyHeadConfig(d_in=4, hidden=(8,))
    encoder = EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=4)
    header = CheckpointHeader(config=config, encoder=encoder, calibration=calibration)
    save_checkpoint(folder, EnergyCheckpoint(header=header, head=EnergyHead(config)))
    return folder


def guided_bench(world: ToyWorld, toy_bench: Callable[..., Any], sign: float) -> WorkbenchOpener:
    """The toy world, where a head knows how far a number is from 1; or the opposite, if ``sign`` is -1."""

    class Distance:
        async def energies(self, states: Sequence[ProofState]) -> list[float]:
            return [sign * float(state.goals[0].target) for state in states]

    @asynccontextmanager
    async def opening(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with toy_bench(world)(config, observer) as bench:
            if config.energy.path is None:
                yield bench
            else:
                scorer = guided_scorer(config.scorer, UNITS, beta=config.energy.beta or 0.0)
                yield attrs.evolve(bench, energy=Distance(), scorer=scorer)

    return opening


@pytest.mark.parametrize(("sign", "beta"), [(1.0, 2.0), (-1.0, 0.0)])
async def test_the_best_weights_are_written_into_the_head_and_used_from_there(
    tmp_path: Path,
    small: RunConfig,
    world: ToyWorld,
    numbers: Numbers,
    toy_bench: Callable[..., Any],
    sign: float,
    beta: float,
) -> None:
    head = head_in(tmp_path / "head")
    before = load_checkpoint(head)
    config = attrs.evolve(small, energy=EnergyConfig(path=head))
    opening = guided_bench(world, toy_bench, sign)
    found = await TuningRun(
        config, numbers(*range(1, 25)), tmp_path / "out", alphas=(1.5, 0.75), betas=(2.0,), opening=opening
    ).run()
    after = load_checkpoint(head)
    assert found.head == head
    assert after.header.tuned == TunedWeights(
        alpha=found.best.alpha,
        beta=beta,
        fitted_alpha=0.5,
        fitted_beta=0.25,
        theorems=24,
        max_expansions=16,
        choices=4,
        proved=found.best.proved,
        proved_without=max(found.arms[:2], key=lambda arm: arm.area).proved,
    )
    assert attrs.evolve(after.header, tuned=None) == before.header
    states = torch.ones(3, 4)
    assert torch.equal(after.head(states), before.head(states))
    assert read_run_config(None, [Override("energy.path", str(head), "--ebm-path")]).scorer == (
        LengthNormalisedLogProb(alpha=found.best.alpha)
    )


async def test_a_tuning_goes_on_after_it_has_written_into_the_head(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    config = attrs.evolve(small, energy=EnergyConfig(path=head_in(tmp_path / "head")))
    opening, theorems = guided_bench(world, toy_bench, 1.0), numbers(3, 9, 21)
    for betas in ((2.0,), (2.0, 1.0)):
        found = await TuningRun(
            config, theorems, tmp_path / "out", alphas=(1.0,), betas=betas, resume=True, opening=opening
        ).run()
    assert [arm.beta for arm in found.arms] == [None, 2.0, 1.0]


async def test_a_head_without_units_is_refused_before_any_search(
    tmp_path: Path, small: RunConfig, world: ToyWorld, numbers: Numbers, toy_bench: Callable[..., Any]
) -> None:
    config = attrs.evolve(small, energy=EnergyConfig(path=head_in(tmp_path / "head", calibration=None)))
    with pytest.raises(ConfigError, match=r"no calibration.*--ebm-path"):
        await TuningRun(config, numbers(3), tmp_path / "out", opening=toy_bench(world)).run()
    assert not (tmp_path / "out").exists()


async def test_an_encoder_that_is_not_the_heads_is_refused_before_the_choices_without_it_are_searched(
    tmp_path: Path, small: RunConfig, numbers: Numbers
) -> None:
    head = head_in(tmp_path / "head")  # the encoder of counts gives more numbers than it takes
    lean = LeanPoolConfig(backend=CommandBackend(argv=("no-such-lean",)), num_workers=1)
    parts = Parts(policy=ScriptedPolicy(script={}), encoder=CountingEncoder())
    config = attrs.evolve(small, energy=EnergyConfig(path=head), parts=parts, lean=lean)
    with pytest.raises(EnergyError, match=r"arm alpha0\.5-beta2: "):
        await TuningRun(config, numbers(3), tmp_path / "out", alphas=(0.5,), betas=(2.0,)).run()
    assert not (tmp_path / "out").exists()


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
    tmp_path: Path,
    small: RunConfig,
    never: WorkbenchOpener,
    alphas: Sequence[float],
    betas: Sequence[float],
    says: str,
) -> None:
    with pytest.raises(ConfigError, match=says):
        await TuningRun(small, (), tmp_path / "out", alphas=alphas, betas=betas, opening=never).run()
    assert not (tmp_path / "out").exists()
