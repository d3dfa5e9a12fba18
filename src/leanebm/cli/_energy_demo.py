"""What ``leanebm demo --energy`` does: the same theorems searched without an energy head and with one, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

import attrs

from leanebm.core import SearchOutcome, Theorem
from leanebm.pipeline import (
    LeanParts,
    Observer,
    PipelineEvent,
    RunComparison,
    RunConfig,
    SearchedTheorem,
    StageProgressed,
    Workbench,
)

if TYPE_CHECKING:
    from rich.console import Console

    from leanebm.pipeline.events import Stage

THEOREMS: Final = "logic:test"
SAMPLE: Final = 60
BUDGET: Final = 16

SETTINGS: Final[Mapping[str, object]] = {
    "lean.backend": "embedded",
    "lean.tactic_timeout_s": 2.0,
    "search.candidates_per_state": 8,
    # With these, most of the proofs would be one tactic long, and there would be no order to choose.
    "without": ["grind", "omega", "simp_all", "decide", "simp"],
}
"""What the shipped head was trained and tuned with."""

ALPHA: Final = 1.0
"""Of 0.5, 1 and 1.5, the exponent with which the search without a head proves most of the validation formulas."""

_WITHOUT, _WITH = "without", "with"
_ROUND: Final = 10
"""Theorems that one search is ahead of the other at most."""

_MOST_LISTED: Final = 8


async def search_side_by_side(
    arms: tuple[RunConfig, RunConfig], theorems: Sequence[Theorem], folder: Path, observer: Observer
) -> RunComparison:
    """Search ``theorems`` without the head and with it, some at a time, with the same answers from Lean and the policy.

    Args:
        arms: settings without the head, and with it.
        theorems: of which neither has seen any.
        folder: where both runs go.
        observer: sees one stage, with both counts.
    """
    from leanebm.pipeline import EvaluationRun, open_lean_parts
    from leanebm.pipeline.events import stage

    configs = dict(zip((_WITHOUT, _WITH), arms, strict=True))
    detail = f"{len(theorems)} theorems, without the energy head and with it, into {folder}"
    async with open_lean_parts(arms[0].lean, observer) as lean:
        with stage(observer, "searching", detail) as searching:
            counters = _Counters(stage=searching, lean=lean, total=len(theorems))
            for end in (*range(_ROUND, len(theorems), _ROUND), len(theorems)):
                found = await EvaluationRun(
                    configs,
                    theorems[:end],
                    folder,
                    headroom=1,
                    resume=True,
                    observer=counters,
                    opening=counters.open,
                ).run()
                counters.report(_Round(counters.line(" · ")))
    return found.comparisons[0]


@attrs.frozen
class _Round:
    """Theorems that both searches are done with; a display shows its line."""

    line: str
    is_trouble: bool = False


@final
@attrs.define(kw_only=True)
class _Counters:
    """Counts what each of the two searches proves, and tells both counts to one stage."""

    stage: Stage
    lean: LeanParts
    total: int
    _arm: str = _WITHOUT
    _done: Counter[str] = attrs.field(init=False, factory=Counter)
    _proved: Counter[str] = attrs.field(init=False, factory=Counter)

    def open(self, config: RunConfig, observer: Observer) -> AbstractAsyncContextManager[Workbench]:
        """A workbench for one of the searches, over the Lean that both use; what it tells is that search's."""
        from leanebm.pipeline import open_workbench

        self._arm = _WITHOUT if config.energy.path is None else _WITH
        return open_workbench(config, observer, lean=self.lean)

    def notify(self, event: PipelineEvent) -> None:
        """Count a theorem that one of the searches is done with."""
        if not (isinstance(event, StageProgressed) and isinstance(event.item, SearchedTheorem)):
            return
        result = event.item.result
        self._done[self._arm] += 1
        self._proved[self._arm] += result is not None and result.outcome is SearchOutcome.PROVED
        self.report(event.item if event.item.is_trouble else None)

    def report(self, item: _Round | SearchedTheorem | None) -> None:
        """Tell both counts."""
        done = self._done.total() // 2
        self.stage.progressed(done=done, total=self.total, counts=self.line("\n"), item=item)

    def line(self, between: str) -> str:
        """Both counts."""
        arms = {_WITHOUT: "without the head", _WITH: "with the head   "}
        return between.join(
            f"{shown} {self._proved[arm]:>3} of {self._done[arm]:>3} proved" for arm, shown in arms.items()
        )


def print_result(console: Console, found: RunComparison, theorems: Sequence[Theorem]) -> None:
    """Print the comparison, which theorems only one of the searches proved, and what it says."""
    from leanebm.cli.compare import print_figures

    console.print()
    print_figures(console, found, baseline="without", experiment="with")
    statements = {theorem.name: theorem.display for theorem in theorems}
    for how, names in (("with", found.only_experiment), ("without", found.only_baseline)):
        for line in _listed(how, [statements[name] for name in names]):
            console.print(line, soft_wrap=True, markup=False, highlight=False)
    last = found.budgets[-1]
    console.print(
        f"\nof {found.theorems} theorems, within {last.budget:g} expansions: {last.baseline} proved without the energy "
        f"head, {last.experiment} with it; {last.only_experiment} only with it, {last.only_baseline} only without it; "
        f"p = {last.p:.2g} (exact McNemar test, two-sided)",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )


def _listed(how: str, statements: Sequence[str]) -> list[str]:
    more = [f"  … and {len(statements) - _MOST_LISTED} more"] if len(statements) > _MOST_LISTED else []
    shown = [f"  {statement}" for statement in statements[:_MOST_LISTED]]
    return [f"\nproved only {how} the head: {len(statements)}", *shown, *more]
