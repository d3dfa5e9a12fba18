"""Several ways to guide a search, on the same theorems, with the same answers from Lean and the policy."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, final

import attrs

from leanebm._shown import fitting_repr, named_repr, shown
from leanebm.core import Theorem
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline._rehearsal import make_on_trial, start_on_trial
from leanebm.pipeline.comparison.comparison import RunComparison, checked_budgets, compare_runs
from leanebm.pipeline.config import RunConfig
from leanebm.pipeline.energy.guidance import check_guidance
from leanebm.pipeline.engines.engine import Engine
from leanebm.pipeline.engines.local_engine import LocalEngine
from leanebm.pipeline.engines.shards_engine import ShardsEngine, share_of
from leanebm.pipeline.evaluation.arena import Arena
from leanebm.pipeline.evaluation.oracle import Oracle
from leanebm.pipeline.events import LogObserver, Observer, stage
from leanebm.pipeline.run_folder import refuse_others_results
from leanebm.pipeline.search.search_run import SearchRun
from leanebm.pipeline.search.summary import REMEMBERED, RunSummary, summarise_run
from leanebm.pipeline.settings import settings_that_matter
from leanebm.pipeline.workbench import (
    SharingLean,
    Workbench,
    WorkbenchOpener,
    open_workbench,
    refuse_parts,
    sharing_lean,
)
from leanebm.search import SearchBudget
from leanebm.storage import settings_leaves
from leanebm.trajectory import Cost, TheoremRecord, attempt_folder

_GUIDANCE: Final = (
    "$.scorer",
    "$.energy",
    "$.parts.search",
    "$.parts.energy_model",
    "$.parts.encoder",
    "$.part_origins",
)
"""Settings in which arms may differ: they decide on the order, not on the answers."""

_BUDGET: Final = "$.search.budget"

_NAME: Final = re.compile(r"[A-Za-z0-9][\w.+-]*")

HEADROOM_POINTS: Final = 10.0
"""If the baseline gains fewer percentage points by several times the budget, there is little for any order to gain."""


@attrs.frozen(kw_only=True)
class Headroom:
    """What the baseline proves with more budget: how much a better order of the same candidates could gain."""

    factor: int
    """The larger budget, in times of the smaller one."""

    theorems: int
    proved: int
    """Within the budget of the evaluation."""

    proved_with_more: int

    __repr__ = fitting_repr

    @property
    def points(self) -> float:
        """The difference in percentage points of the theorems."""
        return 100.0 * (self.proved_with_more - self.proved) / self.theorems if self.theorems else 0.0

    @property
    def sentence(self) -> str:
        """For a person."""
        more = "" if self.points >= HEADROOM_POINTS else ": little headroom, so hardly any order can show a gain here"
        return (
            f"the baseline proves {self.proved} of {self.theorems} theorems, and {self.proved_with_more} with "
            f"{self.factor} times the budget ({self.points:+.1f} points){more}"
        )


@attrs.frozen(kw_only=True)
class Evaluation:
    """What an evaluation found."""

    folder: Path = attrs.field(converter=Path)
    summaries: Mapping[str, RunSummary]
    """What each arm found, in their order; the first is the baseline."""

    comparisons: tuple[RunComparison, ...]
    """Each other arm beside the baseline; none where only a share of the theorems was searched."""

    headroom: Headroom | None
    """``None`` where it was not measured, or only a share of the theorems was searched."""

    tactics_asked: int
    """Tactics that Lean had to run for all of it, in this process."""

    tactics_remembered: int
    """Tactics, in this process, whose answer another arm, or an earlier invocation, had got already."""

    __repr__ = fitting_repr


@final
class EvaluationRun:
    """One invocation that tries several arms on one set of theorems.

    An arm is a run of its own, in a folder of its own: ``summary``, ``compare`` and ``train-ebm`` take it like any
    other. All arms get the same answers (:class:`Arena`), so their seconds are no measure of what they cost alone.

    Args:
        arms: what to try, by name; the first is what the others are compared with. They may differ in scorer, energy
            and search only.
        theorems: what to search; names must be unique.
        folder: where everything goes: ``arms/NAME`` for each arm, and ``answers``.
        headroom: with how many times the budget, each of its limits, the baseline is searched first, to see what there
            is to gain; 1 leaves that out.
        pass_n: how often each theorem is searched, each time with other samples of the policy and the whole budget. It
            counts as proved if one of these searches proves it.
        cost: in what the budgets are counted at which arms are compared.
        budgets: at which ones; by default 1, 2, 4 … up to what the arms had.
        resume: whether the folder may hold an earlier invocation's results, which are then kept.
        observer: is told what happens.
        opening: starts the policy, Lean and the certifier of an arm; by default all arms share one Lean.
        engine: who searches which theorem, in one arm after the other; by default, this process searches all. A worker
            who comes late goes on with the arm that the others are at.
    """

    def __init__(
        self,
        arms: Mapping[str, RunConfig],
        theorems: Sequence[Theorem],
        folder: str | os.PathLike[str],
        *,
        headroom: int = 4,
        pass_n: int = 1,
        cost: Cost = Cost.EXPANSIONS,
        budgets: Sequence[float] | None = None,
        resume: bool = False,
        observer: Observer | None = None,
        opening: WorkbenchOpener | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._arms = dict(arms)
        self._theorems = theorems
        self._folder = Path(folder)
        self._headroom = headroom
        self._pass_n = pass_n
        self._cost = cost
        self._budgets = budgets
        self._resume = resume
        self._observer = LogObserver() if observer is None else observer
        self._opening = opening
        self._engine = LocalEngine() if engine is None else engine

    __repr__ = named_repr("_folder")

    async def run(self) -> Evaluation:
        """Search every arm, the baseline first, and compare; arms that are done stay done.

        Raises:
            ConfigError: an arm's name or settings will not do, its energy head does not fit its scorer, or the folder
                holds another evaluation.
            LeanError, PolicyError, EnergyError, TrajectoryError: as :meth:`SearchRun.run`.
        """
        waiting = self._checked()
        async with AsyncExitStack() as stack:
            opening = self._opening
            if opening is None:
                opening = await stack.enter_async_context(sharing_lean())
            if isinstance(opening, SharingLean):
                await stack.enter_async_context(opening.keeping_encoder())
                if opening is not self._opening:
                    await self._try_parts(waiting, opening)
            arena = Arena(self._folder / "answers")
            arena.sweep()
            arena.require(_about(next(iter(self._arms.values()))))
            headroom = await self._measure_headroom(_Remembering(opening, arena))
            for attempt, config, folder in self._arm_searches():
                await self._search(config, folder, _Remembering(opening, arena, attempt)).run()
        baseline, *others = (self._folder_of(name) for name in self._arms)
        if share_of(self._engine) is not None:  # of the other theorems, each arm may have others by now
            others = []
        return Evaluation(
            folder=self._folder,
            summaries={name: summarise_run(self._folder_of(name)) for name in self._arms},
            comparisons=tuple(
                compare_runs(baseline, other, cost=self._cost, budgets=self._budgets) for other in others
            ),
            headroom=headroom,
            tactics_asked=arena.asked,
            tactics_remembered=arena.remembered,
        )

    def check(self) -> None:
        """Refuse all that can be known to be wrong before anything is started; each arm's parts are made once.

        Raises:
            ConfigError, EnergyError, TrajectoryError: as :meth:`SearchRun.check`, and :meth:`run`.
        """
        for name, config in self._checked().items():
            if self._opening is None:
                with _naming_arm(name):
                    make_on_trial(config, leaving_out=Oracle)

    def _checked(self) -> dict[str, RunConfig]:
        """The arms that are still to be searched, once nothing is wrong with any."""
        self._check()
        refuse_others_results(self._folder, "eval or tune")
        return self._waiting()

    def _check(self) -> None:
        problems = [
            f"{shown(name)} is no name for an arm: letters, digits, _ . + -"
            for name in self._arms
            if not _NAME.fullmatch(name)
        ]
        folders = {name.lower(): name for name in self._arms}
        problems += [
            f"{name} and {other} differ in capitals alone, and some file systems take them for one"
            for name in self._arms
            if (other := folders[name.lower()]) != name
        ]
        if not self._arms:
            problems.append("there is no arm to try")
        if self._headroom < 1:
            problems.append(f"headroom is measured at a multiple of the budget, at least 1, not {self._headroom}")
        if self._pass_n < 1:
            problems.append(f"each theorem is searched at least once, not {self._pass_n} times @ --pass-n")
        problems += [
            f"{name} has been searched more often than {self._pass_n} times @ --pass-n"
            for name in self._arms
            if attempt_folder(self._folder_of(name), self._pass_n + 1).is_dir()
        ]
        if self._cost is Cost.SECONDS and len(self._arms) > 1:
            problems.append("arms take one another's answers, so their seconds mean nothing @ --by")
        (first, baseline), *others = [(name, _shared(config)) for name, config in self._arms.items()] or [("", {})]
        for name, settings in others:
            problems += [
                f"{name} has {settings.get(path)!r}, {first} has {baseline.get(path)!r} @ {path}"
                for path in sorted({*settings, *baseline})
                if settings.get(path) != baseline.get(path)
            ]
        if problems:
            raise ConfigError("these arms cannot be tried side by side:", problems)
        if self._budgets is not None:
            checked_budgets(self._budgets)
        for name, config in self._arms.items():
            with _naming_arm(name):
                check_guidance(config.energy, config.scorer)
                refuse_parts(config, leaving_out=Oracle)

    def _waiting(self) -> dict[str, RunConfig]:
        """The arms that are still to be searched, in the order in which their parts are started.

        Raises:
            ConfigError, TrajectoryError: as :meth:`SearchRun.is_done`.
        """
        names = list(self._arms)
        searches = [(name, *search) for name in names for search in self._searches_of(name)]
        if self._headroom > 1:
            searches.insert(0, (names[0], *self._headroom_search()))
        # Each is looked at: what is wrong with the last one's folder is to be known now.
        waiting = [name for name, config, folder in searches if not self._search(config, folder).is_done()]
        return {name: self._arms[name] for name in waiting}

    async def _try_parts(self, waiting: Mapping[str, RunConfig], opening: SharingLean) -> None:
        """Start the parts of arms once, before any is searched: what is wrong is known now, and not hours later.

        Not those of the first arm, which starts them before anything else. Where other machines search, which may have
        other devices, parts are only made.
        """
        starts = isinstance(self._engine, LocalEngine | ShardsEngine)
        tried: list[object] = []
        for name, config in waiting.items():
            alike = _parts_of(config)
            with _naming_arm(name):
                if not starts:
                    make_on_trial(config, leaving_out=Oracle)
                elif tried and alike not in tried:
                    await start_on_trial(config, self._observer, f"arm {name}", opening.start_parts)
            tried.append(alike)

    def _searches_of(self, name: str) -> Iterator[tuple[RunConfig, Path]]:
        for attempt in range(1, self._pass_n + 1):
            yield self._arms[name].sampled_anew(attempt - 1), attempt_folder(self._folder_of(name), attempt)

    def _arm_searches(self) -> Iterator[tuple[int, RunConfig, Path]]:
        """The searches of all arms, in order: which attempt, how and where."""
        for name in self._arms:
            for attempt, (config, folder) in enumerate(self._searches_of(name), start=1):
                yield attempt, config, folder

    def _headroom_search(self) -> tuple[RunConfig, Path]:
        config = next(iter(self._arms.values()))
        more = config.search.budget.times(self._headroom)
        return attrs.evolve(config, search=attrs.evolve(config.search, budget=more)), self._folder / "headroom"

    def _folder_of(self, name: str) -> Path:
        return self._folder / "arms" / name

    async def _measure_headroom(self, opening: WorkbenchOpener) -> Headroom | None:
        if self._headroom == 1:
            return None
        budget = next(iter(self._arms.values())).search.budget
        summary = await self._search(*self._headroom_search(), opening).run()
        if share_of(self._engine) is not None:
            return None
        found = Headroom(
            factor=self._headroom,
            theorems=sum(record.is_final for record in summary.records),
            proved=sum(_is_proved_within(budget, record) for record in summary.records),
            proved_with_more=summary.totals.proved,
        )
        with stage(self._observer, "measuring headroom", found.sentence):
            return found

    def _search(self, config: RunConfig, folder: Path, opening: WorkbenchOpener = open_workbench) -> SearchRun:
        return SearchRun(
            config,
            self._theorems,
            folder,
            resume=self._resume,
            observer=self._observer,
            opening=opening,
            engine=self._engine,
        )


@contextmanager
def _naming_arm(name: str) -> Iterator[None]:
    """Say of what is wrong in the block whose it is."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"arm {name}: {error.summary}", error.problems) from error
    except LeanEbmError as error:
        error.args = (f"arm {name}: {error}", *error.args[1:])
        raise


def _shared(config: RunConfig) -> dict[str, object]:
    """The settings, by their paths, in which all arms must agree."""
    leaves = settings_leaves("$", settings_that_matter(config))
    return {path: value for path, value in leaves if not path.startswith(_GUIDANCE)}


def _parts_of(config: RunConfig) -> object:
    """What is started for an arm: equal for arms that differ in weights alone, or in the search."""
    parts = {name: value for name, value in settings_that_matter(config)["parts"].items() if name != "search"}
    return parts, config.energy.path, config.energy.device


def _is_proved_within(budget: SearchBudget, record: TheoremRecord) -> bool:
    """Whether a search with so small a budget would have come to the proof; certifying it is not searching."""
    return (
        record.certificate is not None
        and record.expansions <= budget.max_expansions
        and (budget.max_tactic_calls is None or record.tactic_calls <= budget.max_tactic_calls)
        and (budget.max_wall_s is None or record.wall_s - record.certify_s <= budget.max_wall_s)
    )


def _about(config: RunConfig) -> dict[str, object]:
    """The settings on which answers depend."""
    return {path: value for path, value in _shared(config).items() if not path.startswith(_BUDGET)}


@attrs.frozen
class _Remembering:
    """``opening``, with parts that look into ``arena`` first."""

    opening: WorkbenchOpener
    arena: Arena
    attempt: int = 1

    @asynccontextmanager
    async def __call__(self, config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with self.opening(config, observer) as bench:
            self.arena.require({"lean_version": bench.lean_version, "policy": bench.served.get("policy")})
            yield attrs.evolve(
                bench,
                policy=self.arena.policy(bench.policy, attempt=self.attempt),
                environment=self.arena.environment(bench.environment),
                certifier=self.arena.certifier(bench.certifier),
                served={**bench.served, REMEMBERED: True},
            )
