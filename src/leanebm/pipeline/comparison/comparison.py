"""Two runs on the same theorems, paired theorem by theorem."""

from __future__ import annotations

import math
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, Final

import attrs

from leanebm._shown import fitting_repr, how_many, listed, shown
from leanebm.core import SearchOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline.search.summary import NO_TIMES, expansions_allowed, is_remembered
from leanebm.storage import RunInfo
from leanebm.trajectory import AnytimeCurve, Cost, TheoremRecord, Trajectory, doublings, read_attempts

_MUST_AGREE: Final = ("$.lean_version", "$.backend", "$.config.lean", "$.config.search")
"""Settings that must be alike for two runs to compare what guides the search."""

_ORIGIN: Final = re.compile(r"\$\.config\.part_origins\.(?P<part>.+?)\.(?:kind|package|sources\..+?): ")
"""How a difference begins that says whose code a part is."""

_RESAMPLES: Final = 2000

_MOST_LISTED: Final = 10

_DEEPEST: Final = 8
"""Proofs of this many tactics and more share a row."""


@attrs.frozen(kw_only=True)
class Interval:
    """A mean over theorems, with a 95 % interval from resamples of theorems."""

    value: float
    low: float
    high: float


@attrs.frozen(kw_only=True)
class BudgetComparison:
    """What two runs had proved within one budget."""

    budget: float
    baseline: int
    """Theorems that the baseline had proved."""

    experiment: int
    only_baseline: int
    """Of these, the ones that the other run had not."""

    only_experiment: int
    cut_baseline: int = 0
    """Theorems that count as not proved, though a limit had ended the baseline's search before it spent this budget:
    nobody knows what the rest would have done."""

    cut_experiment: int = 0
    gain: Interval
    """How much larger a share of the theorems the experiment had proved."""

    @property
    def is_even(self) -> bool:
        """Whether both runs were given this budget on every theorem that they did not prove with it."""
        return self.cut_baseline == self.cut_experiment == 0

    @property
    def p(self) -> float:
        """Two-sided exact McNemar test: how probable a split at least as uneven is if neither run is better.

        McNemar (1947), with the binomial distribution itself in place of its approximation.
        """
        return exact_sign_test(self.only_baseline, self.only_experiment)


@attrs.frozen(kw_only=True)
class DepthComparison:
    """What two runs proved, within the largest budget, of the theorems whose shortest proof has one length."""

    depth: int
    """Tactics of the shortest proof that either run found; the largest stands for longer ones, too."""

    baseline: int
    experiment: int

    @property
    def label(self) -> str:
        """For a person: ``3``, or ``8+`` where longer ones are counted, too."""
        return f"{self.depth}+" if self.depth == _DEEPEST else str(self.depth)


@attrs.frozen(kw_only=True)
class RunComparison:
    """An experiment beside its baseline, on the theorems that both searched to an end."""

    baseline: Path = attrs.field(converter=Path)
    experiment: Path = attrs.field(converter=Path)
    differences: tuple[str, ...]
    """The settings that differ, each as ``$.path: experiment's, not baseline's``; where one of the runs lacks several
    in one place, one line for them all, and so for a part of one name whose code differs. Behind them, what differs
    within a run that ``--resume-anyway`` pooled."""

    cost: Cost
    theorems: int
    """Theorems compared."""

    left_out: tuple[str, ...]
    """Theorems of which one of the runs says nothing, because a search of theirs broke."""

    budgets: tuple[BudgetComparison, ...]
    """The smallest first."""

    area: Interval
    """How much more of the area under its curve the experiment has, per theorem.

    The curve is the share of theorems proved, over the logarithm of the budget from the smallest to the largest one
    compared, so the area lies between 0 and 1 and each doubling counts as much as the next.
    """

    only_baseline: tuple[str, ...] = attrs.field(repr=how_many)
    """Theorems that only the baseline proved, within the largest budget."""

    only_experiment: tuple[str, ...] = attrs.field(repr=how_many)
    depths: tuple[DepthComparison, ...]

    __repr__ = fitting_repr

    def as_json(self) -> dict[str, Any]:
        """Plain values; the keys are the fields of the classes here."""
        values = attrs.asdict(
            self, value_serializer=lambda _, __, value: str(value) if isinstance(value, Path) else value
        )
        for row, budget in zip(values["budgets"], self.budgets, strict=True):
            row["p"] = budget.p
        return values


def exact_sign_test(one: int, other: int) -> float:
    """How probable it is that ``one + other`` tosses of a coin fall at least as unevenly; two-sided, in (0, 1]."""
    tosses = one + other
    tail = sum(math.comb(tosses, k) for k in range(min(one, other) + 1))
    return min(1.0, float(2 * tail / 2**tosses))  # whole numbers, so exact until the division


def compare_runs(
    baseline: str | os.PathLike[str],
    experiment: str | os.PathLike[str],
    *,
    cost: Cost = Cost.EXPANSIONS,
    budgets: Sequence[float] | None = None,
    seed: int = 0,
) -> RunComparison:
    """Set two runs side by side, theorem by theorem.

    Args:
        baseline: a run's folder.
        experiment: another one's.
        cost: in what budgets are counted.
        budgets: at which ones to compare; by default 1, 2, 4 … up to what the runs had.
        seed: of the bootstrap over theorems.

    Raises:
        ConfigError: the runs are not comparable: they differ in theorems, Lean, candidates or budget; all is listed.
        TrajectoryError: one cannot be read.
    """
    runs = read_attempts(baseline), read_attempts(experiment)
    (before, *_), (after, *_) = runs
    differences = _latest(after).differences(_latest(before))
    _check(before, after, differences)
    if problems := list(_uneven(*runs)):
        raise ConfigError(f"{experiment} and {baseline} cannot be compared:", problems)
    if cost is Cost.SECONDS and any(is_remembered(_latest(run)) for run in (before, after)):
        raise ConfigError(
            f"{experiment} and {baseline} cannot be compared by seconds:",
            [NO_TIMES],
        )
    pairs = _pairs(*runs)
    known = {name: pair for name, pair in pairs.items() if all(record.is_final for record in chain.from_iterable(pair))}
    if not known:
        raise ConfigError(
            f"{experiment} and {baseline} cannot be compared:",
            ["there is no theorem that both searched to an end; search those that broke again, with --resume"],
        )
    curves = [AnytimeCurve.of(chain.from_iterable(pair[side] for pair in known.values()), cost) for side in (0, 1)]
    chosen = _budgets(budgets, curves, _latest(before), cost)
    area, *gains = _gains(*curves, budgets=chosen, seed=seed)
    ended = [{name: _ended_at(pair[side], cost) for name, pair in known.items()} for side in (0, 1)]
    rows = tuple(_at(budget, curves, ended, gain) for budget, gain in zip(chosen, gains, strict=True))
    proved = {name: tuple(curve.spent[name] <= chosen[-1] for curve in curves) for name in known}
    return RunComparison(
        baseline=Path(baseline),
        experiment=Path(experiment),
        differences=(*_gathered(differences), *_pooled("baseline", before), *_pooled("experiment", after)),
        cost=cost,
        theorems=len(known),
        left_out=tuple(name for name in pairs if name not in known),
        budgets=rows,
        area=area,
        only_baseline=tuple(name for name, is_proved in proved.items() if is_proved == (True, False)),
        only_experiment=tuple(name for name, is_proved in proved.items() if is_proved == (False, True)),
        depths=tuple(_depths(known, cost, chosen[-1])),
    )


_Pair = tuple[Sequence[TheoremRecord], Sequence[TheoremRecord]]
"""One theorem's searches on both sides."""


def _gathered(differences: Sequence[str]) -> Iterator[str]:
    known = [*_code_told(differences), *(line for line in differences if not _ORIGIN.match(line))]
    places = dict[str, list[str]]()
    for line in known:
        places.setdefault(_place_of_missing(line) or line, []).append(line)
    for key, (first, *more) in places.items():
        yield key if more else first


def _code_told(differences: Sequence[str]) -> Iterator[str]:
    """Which parts are of one name and are not the same code, rather than the hashes of their files."""
    parts = dict.fromkeys(found["part"] for line in differences if (found := _ORIGIN.match(line)))
    for part in parts:
        if not any(line.startswith(f"$.config.part_origins.{part}.kind: ") for line in differences):
            yield f"$.config.{part}: the same name, but other code"


def _place_of_missing(difference: str) -> str | None:
    """Where what only one of the runs has a setting of belongs, if this is such a difference."""
    path, _, values = difference.partition(": ")
    place = path.rpartition(".")[0]
    if values.endswith(", not nothing"):
        return f"{place}: several settings, not nothing"
    return f"{place}: nothing, not several settings" if values.startswith("nothing, not ") else None


def _latest(run: Trajectory) -> RunInfo:
    return run.runs[-1]


def _pairs(before: Sequence[Trajectory], after: Sequence[Trajectory]) -> dict[str, _Pair]:
    """Each theorem's searches, in the order of names: who ended first must make no difference to a bootstrap."""
    pairs: dict[str, tuple[list[TheoremRecord], list[TheoremRecord]]] = {
        record.theorem.name: ([], []) for record in before[0].records
    }
    for side, attempts in enumerate((before, after)):
        for record in chain.from_iterable(run.records for run in attempts):
            pairs[record.theorem.name][side].append(record)
    return dict(sorted(pairs.items()))


def _pooled(side: str, run: Trajectory, *, among: tuple[str, ...] = ("$",)) -> Iterator[str]:
    """Settings, with one of these beginnings, that a later invocation of a run had and the earlier ones had not."""
    lines = (line for info in run.runs for line in info.resumed_despite if line.startswith(among))
    return (f"within the {side}, pooled by --resume-anyway: {line}" for line in lines)


def _check(before: Trajectory, after: Trajectory, differences: Sequence[str]) -> None:
    problems = [line for line in differences if line.startswith(_MUST_AGREE)]
    for side, run in (("baseline", before), ("experiment", after)):
        problems += _pooled(side, run, among=_MUST_AGREE)
    ours = {record.theorem.name: record.theorem for record in after.records}
    theirs = {record.theorem.name: record.theorem for record in before.records}
    problems += _few("only the baseline searched", [name for name in theirs if name not in ours])
    problems += _few("only the experiment searched", [name for name in ours if name not in theirs])
    shared = [name for name in ours if name in theirs]
    problems += _few("stated differently:", [name for name in shared if ours[name] != theirs[name]])
    if problems:
        raise ConfigError(
            f"{after.path} is not comparable with {before.path}, the baseline:",
            problems,
        )


def _uneven(before: Sequence[Trajectory], after: Sequence[Trajectory]) -> Iterator[str]:
    """Where theorems were not all searched equally often, such as in an evaluation that was stopped."""
    if len(before) != len(after):
        yield f"{len(after)} searches of each theorem, not {len(before)} @ --pass-n"
        return
    for run in (before, after):
        first, *further = ({record.theorem.name for record in attempt.records} for attempt in run)
        if any(names != first for names in further):
            yield f"{run[0].path.parent} has not searched all theorems equally often: go on with it @ --resume"


def _few(what: str, names: Sequence[str]) -> list[str]:
    return [f"{what} {listed(names, _MOST_LISTED)}"] if names else []


def _budgets(
    given: Sequence[float] | None, curves: Sequence[AnytimeCurve], info: RunInfo, cost: Cost
) -> tuple[float, ...]:
    if given is not None:
        return checked_budgets(given)
    allowed = expansions_allowed(info)
    if cost is Cost.EXPANSIONS and allowed is not None:
        return doublings(allowed)
    return max((curve.budgets for curve in curves), key=lambda budgets: budgets[-1])


def checked_budgets(given: Sequence[float]) -> tuple[float, ...]:
    """The budgets in their order, each once.

    Raises:
        ConfigError: one is no number above 0, or there is none.
    """
    if not given or not all(math.isfinite(budget) and budget > 0.0 for budget in given):
        raise ConfigError("budgets to compare at are numbers above 0:", [f"got {shown(list(given))} @ --budgets"])
    return tuple(sorted(set(map(float, given))))


def _ended_at(searches: Sequence[TheoremRecord], cost: Cost) -> float:
    """What the first of these searches had spent that one of its limits ended; infinite if none was ended so."""
    cut = (float(getattr(each, cost)) for each in searches if each.outcome is SearchOutcome.BUDGET_SPENT)
    return min(cut, default=math.inf)


def _at(
    budget: float, curves: Sequence[AnytimeCurve], ended: Sequence[Mapping[str, float]], gain: Interval
) -> BudgetComparison:
    before, after = curves
    proved = [(before.spent[name] <= budget, after.spent[name] <= budget) for name in before.spent]
    cut_before, cut_after = (
        sum(spent > budget > ended_at[name] for name, spent in curve.spent.items())
        for curve, ended_at in zip(curves, ended, strict=True)
    )
    return BudgetComparison(
        budget=budget,
        baseline=before.proved_within(budget),
        experiment=after.proved_within(budget),
        only_baseline=proved.count((True, False)),
        only_experiment=proved.count((False, True)),
        cut_baseline=cut_before,
        cut_experiment=cut_after,
        gain=gain,
    )


def _gains(before: AnytimeCurve, after: AnytimeCurve, *, budgets: Sequence[float], seed: int) -> Sequence[Interval]:
    """What the experiment gains per theorem: in area first, then in theorems proved within each budget."""
    areas = [curve.areas(budgets[0], budgets[-1]) for curve in (before, after)]
    return _bootstrap(
        [
            (
                areas[1][name] - areas[0][name],
                *(float((after.spent[name] <= budget) - (spent <= budget)) for budget in budgets),
            )
            for name, spent in before.spent.items()
        ],
        seed,
    )


def _bootstrap(rows: Sequence[tuple[float, ...]], seed: int) -> Sequence[Interval]:
    """The mean of each column, with an interval. A theorem is a row, and is drawn whole, with all that it has."""
    kinds, size = Counter(rows), len(rows)
    weights = list(accumulate(kinds.values()))
    rng = random.Random(seed)  # noqa: S311 - a bootstrap, not a secret

    def means(counts: Mapping[tuple[float, ...], int]) -> list[float]:
        return [
            math.fsum(row[column] * count for row, count in counts.items()) / size for column in range(len(rows[0]))
        ]

    drawn = [means(Counter(rng.choices(list(kinds), cum_weights=weights, k=size))) for _ in range(_RESAMPLES)]
    return [
        Interval(value=value, low=ordered[round(0.025 * _RESAMPLES)], high=ordered[round(0.975 * _RESAMPLES) - 1])
        for value, ordered in zip(means(kinds), map(sorted, zip(*drawn, strict=True)), strict=True)
    ]


def _depths(pairs: Mapping[str, _Pair], cost: Cost, largest: float) -> Iterator[DepthComparison]:
    lengths = [tuple(min(_length(each, cost, largest) for each in side) for side in pair) for pair in pairs.values()]
    proved = [pair for pair in lengths if min(pair) < math.inf]
    rows = sorted({min(_DEEPEST, min(pair)) for pair in proved})
    for depth in rows:
        here = [pair for pair in proved if min(_DEEPEST, min(pair)) == depth]
        yield DepthComparison(
            depth=int(depth),
            baseline=sum(pair[0] < math.inf for pair in here),
            experiment=sum(pair[1] < math.inf for pair in here),
        )


def _length(record: TheoremRecord, cost: Cost, largest: float) -> float:
    if record.certificate is None or getattr(record, cost) > largest:
        return math.inf
    return len(record.certificate.tactics)
