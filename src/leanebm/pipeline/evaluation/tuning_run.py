"""The weights of a search's parts, chosen by what is proved."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

import attrs

from leanebm._shown import fitting_repr, named_repr
from leanebm.core import Theorem
from leanebm.errors import ConfigError
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.engines.engine import Engine
from leanebm.pipeline.evaluation.evaluation_run import Evaluation, EvaluationRun
from leanebm.pipeline.events import Observer
from leanebm.pipeline.settings import to_toml
from leanebm.pipeline.workbench import WorkbenchOpener
from leanebm.search import LengthNormalisedLogProb
from leanebm.storage import write_atomically
from leanebm.trajectory import AnytimeCurve

if TYPE_CHECKING:
    from leanebm.energy import Calibration

ALPHAS = (0.0, 0.5, 1.0, 1.5)
"""Exponents of the path's length that are tried by default."""

BETAS = (0.25, 0.5, 0.75, 1.0, 1.5)
"""Weights of the energy that are tried by default, in standard units."""

SETTINGS_NAME = "tuned.toml"

_JUDGED_FROM = 4
"""Choices are judged from the budget, divided by this, to the budget."""


@attrs.frozen(kw_only=True)
class TunedArm:
    """One choice of weights, and what it proved."""

    name: str
    alpha: float
    beta: float | None
    """``None`` without an energy head."""

    config: RunConfig = attrs.field(repr=False)
    proved: int
    """Within the whole budget, of the theorems that every arm searched to an end."""

    area: float
    """As :func:`judged_area`."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class Tuning:
    """All choices that were tried, in their order, and the best."""

    arms: tuple[TunedArm, ...]
    best: TunedArm
    """The one of the largest area; of equal ones, the first."""

    settings: Path = attrs.field(converter=Path)
    """The best one's settings, for ``--config``."""

    head: Path | None = attrs.field(default=None, converter=attrs.converters.optional(Path))
    """The energy head into whose header the best one's weights were written, if there is a head."""

    __repr__ = fitting_repr


@final
class TuningRun:
    """One invocation that chooses α, and an energy head's β, on theorems that no result is claimed for.

    The choice is by theorems proved within the given budget and down to a quarter of it (:func:`judged_area`), and
    not by how well a scorer orders states.

    Args:
        config: the search; its scorer is replaced, and its energy head is tried at every β, and left out as well.
        theorems: validation theorems; names must be unique.
        folder: where the arms' runs go, and ``tuned.toml``. The best weights are written into the head's header as
            well, from where every search with the head takes them.
        alphas: exponents of :class:`~leanebm.search.LengthNormalisedLogProb` to try.
        betas: weights of the energy to try, if there is a head.
        resume: whether the folder may hold an earlier invocation's results, which are then kept.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier of an arm; by default all arms share one Lean.
        engine: who searches which theorem; by default, this process searches all.
    """

    def __init__(
        self,
        config: RunConfig,
        theorems: Sequence[Theorem],
        folder: str | os.PathLike[str],
        *,
        alphas: Sequence[float] = ALPHAS,
        betas: Sequence[float] = BETAS,
        resume: bool = False,
        observer: Observer | None = None,
        opening: WorkbenchOpener | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._config = config
        self._theorems = theorems
        self._folder = Path(folder)
        self._alphas = tuple(dict.fromkeys(alphas))
        self._betas = tuple(dict.fromkeys(betas))
        self._resume = resume
        self._observer = observer
        self._opening = opening
        self._engine = engine

    __repr__ = named_repr("_folder")

    async def run(self) -> Tuning:
        """Try every choice, write the best one's settings, and say how each did.

        Raises:
            ConfigError: there is nothing to try, a weight is negative, the head has no units to weigh it in, or the
                folder holds earlier results.
            LeanError, PolicyError, EnergyError, TrajectoryError: as :meth:`SearchRun.run`.
        """
        choices = self._choices()
        head = self._config.energy.path
        units = None if head is None else _units_of(head)
        evaluation = await self.search()
        curves = AnytimeCurve.on_shared_theorems(
            {name: AnytimeCurve.of(evaluation.summaries[name].records) for name in choices}
        )
        arms = tuple(
            self._arm(name, alpha, beta, config, curves[name]) for name, (alpha, beta, config) in choices.items()
        )
        best = max(arms, key=lambda arm: arm.area)
        settings = self._folder / SETTINGS_NAME
        write_atomically(settings, to_toml(best.config).encode())
        if head is not None and units is not None:
            self._write_into(head, units, arms, best, theorems=len(curves[best.name].spent))
        return Tuning(arms=arms, best=best, settings=settings, head=head)

    def check(self) -> None:
        """Refuse all that can be known to be wrong before anything is started; parts are made once.

        Raises:
            ConfigError, EnergyError, TrajectoryError: as :meth:`EvaluationRun.check`, and :meth:`run`.
        """
        evaluation = self._evaluation()
        if self._config.energy.path is not None:
            _units_of(self._config.energy.path)
        evaluation.check()

    async def search(self) -> Evaluation:
        """Try every choice, and choose none: what several workers can do together. Raises as :meth:`run`."""
        return await self._evaluation().run()

    def _evaluation(self) -> EvaluationRun:
        return EvaluationRun(
            {name: config for name, (_, _, config) in self._choices().items()},
            self._theorems,
            self._folder,
            headroom=1,
            resume=self._resume,
            observer=self._observer,
            opening=self._opening,
            engine=self._engine,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arms, in their order."""
        return tuple(self._choices())

    def _write_into(
        self, head: Path, units: Calibration, arms: Sequence[TunedArm], best: TunedArm, *, theorems: int
    ) -> None:
        from leanebm.energy import TunedWeights, amend_header

        without = max((arm for arm in arms if arm.beta is None), key=lambda arm: arm.area)
        tuned = TunedWeights(
            alpha=best.alpha,
            beta=best.beta or 0.0,
            fitted_alpha=units.alpha,
            fitted_beta=units.beta,
            theorems=theorems,
            max_expansions=self._config.search.budget.max_expansions,
            choices=len(arms),
            proved=best.proved,
            proved_without=without.proved,
        )
        amend_header(head, tuned=tuned)

    def _choices(self) -> dict[str, tuple[float, float | None, RunConfig]]:
        problems = [
            f"{value} is no weight: it must be a number, at least 0 @ {option}"
            for option, values in (("--alphas", self._alphas), ("--betas", self._betas))
            for value in values
            if not (math.isfinite(value) and value >= 0.0)
        ]
        if not self._alphas:
            problems.append("there is no exponent to try @ --alphas")
        if problems:
            raise ConfigError("these weights cannot be tried:", problems)
        energy = self._config.energy
        weights = (None, *self._betas) if energy.path is not None else (None,)
        return {
            self._name(alpha, beta): (alpha, beta, self._with(alpha, beta))
            for beta in weights
            for alpha in self._alphas
        }

    def _name(self, alpha: float, beta: float | None) -> str:
        return f"alpha{alpha:.15g}" + ("" if beta is None else f"-beta{beta:.15g}")

    def _with(self, alpha: float, beta: float | None) -> RunConfig:
        energy = type(self._config.energy)() if beta is None else attrs.evolve(self._config.energy, beta=beta)
        return attrs.evolve(self._config, scorer=LengthNormalisedLogProb(alpha=alpha), energy=energy)

    def _arm(self, name: str, alpha: float, beta: float | None, config: RunConfig, curve: AnytimeCurve) -> TunedArm:
        budget = self._config.search.budget.max_expansions
        area, proved = judged_area(curve, budget), curve.proved_within(budget)
        return TunedArm(name=name, alpha=alpha, beta=beta, config=config, proved=proved, area=area)


def judged_area(curve: AnytimeCurve, max_expansions: int) -> float:
    """The area by which weights are chosen and heads adopted, between 0 and 1: the mean of :func:`judged_areas`.

    Returns:
        0 if there is no theorem.
    """
    areas = judged_areas(curve, max_expansions)
    return math.fsum(areas.values()) / len(areas) if areas else 0.0


def judged_areas(curve: AnytimeCurve, max_expansions: int) -> dict[str, float]:
    """Each theorem's part of the area under the curve of the share proved, over the logarithm of the budget.

    From a quarter of the budget to all of it. What is proved sooner is much the same with all weights, so that an area
    that begins at 1 hardly differs between them.
    """
    return curve.areas(max_expansions / _JUDGED_FROM, float(max_expansions))


def _units_of(head: Path) -> Calibration:
    from leanebm.energy import load_header

    units = load_header(head).calibration
    if units is None:
        raise ConfigError(
            "the energy head cannot be tuned:",
            [f"{head} has no calibration: train it with validation theorems that have open nodes @ --ebm-path"],
        )
    return units
