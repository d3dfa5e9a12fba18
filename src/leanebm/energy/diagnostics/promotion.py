"""Whether a head may steer a search."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import attrs
from attrs.validators import ge, le

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.alarm import Alarm, Findings, Severity
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.diagnostics.training_facts import TrainingFacts

__all__ = ["Grade", "PromotionGate", "PromotionVerdict", "mcnemar_worse"]


class Grade(enum.Enum):
    """How good a head is, in one word."""

    PROMOTED = "promoted"
    """It tells siblings apart well enough to be used, and nothing speaks against it."""

    BELOW_TARGET = "below target"
    """Better than chance, but short of promotion: use it knowingly, or keep the one before."""

    NO_BETTER_THAN_CHANCE = "no better than chance"
    """It does not tell siblings apart; steering by it costs theorems."""

    UNTESTED = "untested"
    """There are too few held-out theorems to tell."""

    UNSOUND = "unsound"
    """A fatal alarm was raised: whatever the figures say, they cannot be trusted."""

    @property
    def may_steer(self) -> bool:
        """Whether the fitted weight is kept; otherwise it is 0, and the energy is computed and logged only."""
        return self in {Grade.PROMOTED, Grade.BELOW_TARGET}


@attrs.frozen(kw_only=True)
class PromotionVerdict:
    """A grade and why."""

    grade: Grade
    summary: str
    """One sentence for people in a hurry."""

    reasons: tuple[str, ...] = ()
    """What kept it from promotion, or what the promotion rests on; each a clause with its figure."""

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class PromotionGate:
    """What a head must show before it replaces the one in use."""

    min_theorems: int = attrs.field(default=10, validator=ge(2))
    """Fewest held-out theorems with ranked decision points; below, nothing can be told."""

    min_pairwise: float = attrs.field(default=0.65, validator=[ge(0.5), le(1.0)])
    """Sibling pairwise accuracy wanted. At 0.63 to 0.65 an energy of equal weight begins to help more than
    it hurts."""

    max_regression: float = attrs.field(default=0.01, validator=[ge(0.0), le(1.0)])
    """By how much it may fall below the head before."""

    max_twin: float = attrs.field(default=0.53, validator=[ge(0.5), le(1.0)])
    """Most that the twin trained on shuffled labels may reach."""

    min_worse_p: float = attrs.field(default=0.10, validator=[ge(0.0), le(1.0)])
    """At or below this probability of the searches' outcome under "no worse", the head counts as worse."""

    def judge(
        self, findings: Findings, alarms: Sequence[Alarm], facts: TrainingFacts | None = None
    ) -> PromotionVerdict:
        """Weigh the figures; the first of unsound, untested and chance that applies decides."""
        pairwise = findings.metrics.get("pairwise_sibling", Estimate.nothing())
        fatal = tuple(f"{alarm.name}: {alarm.finding}" for alarm in alarms if alarm.severity is Severity.FATAL)
        if fatal:
            summary = "Not to be trusted: its figures, or what it is fed, are unsound. It gets no say in the search."
            return PromotionVerdict(grade=Grade.UNSOUND, summary=summary, reasons=fatal)
        if pairwise.value is None or pairwise.low is None or pairwise.count < self.min_theorems:
            summary = "Too few held-out theorems to tell whether it helps. It gets no say in the search."
            reason = f"{pairwise.count} theorems with ranked decision points, at least {self.min_theorems} are needed"
            return PromotionVerdict(grade=Grade.UNTESTED, summary=summary, reasons=(reason,))
        shown = f"sibling pairwise accuracy {pairwise.value:.3f} [{pairwise.low:.3f}, {pairwise.high:.3f}]"
        if not pairwise.is_above(0.5):
            summary = "No better than chance at telling the next step from its siblings. It gets no say in the search."
            return PromotionVerdict(
                grade=Grade.NO_BETTER_THAN_CHANCE, summary=summary, reasons=(f"{shown}; chance is 0.5",)
            )
        shortcomings = self._shortcomings(pairwise.value, findings, facts)
        if shortcomings:
            summary = "Better than chance, but short of what promotion asks for. Use it knowingly."
            return PromotionVerdict(grade=Grade.BELOW_TARGET, summary=summary, reasons=(shown, *shortcomings))
        return PromotionVerdict(grade=Grade.PROMOTED, summary="Fit to guide a search.", reasons=(shown,))

    def _shortcomings(self, pairwise: float, findings: Findings, facts: TrainingFacts | None) -> tuple[str, ...]:
        before, twin = findings.value("previous_pairwise"), findings.value("twin_pairwise")
        worse = _search_is_worse(facts)
        checks = {
            f"below the {self.min_pairwise:.2f} wanted": pairwise < self.min_pairwise,
            f"the head before reached {before:.3f}": pairwise < before - self.max_regression,
            f"its shuffled twin reaches {twin:.3f}, more than {self.max_twin:.2f}": twin > self.max_twin,
            "no shuffled twin was trained, so a leak would go unseen": math.isnan(twin),
            f"searches with it prove fewer theorems (p = {worse:.3f})": worse <= self.min_worse_p,
        }
        return tuple(reason for reason, holds in checks.items() if holds)


def mcnemar_worse(only_new: int, only_old: int) -> float:
    r"""Exact one-sided McNemar test: :math:`P(X \le \text{only\_new})` for :math:`X \sim \mathrm{Bin}(n, \tfrac12)`.

    The probability that the new head wins no more of the :math:`n` theorems on which the two differ, if in
    truth it is no worse. Small means worse. 1 if they never differ.
    """
    n = only_new + only_old
    return float(sum(math.comb(n, k) for k in range(only_new + 1)) / 2**n)


def _search_is_worse(facts: TrainingFacts | None) -> float:
    if facts is None or facts.solved_only_new is None or facts.solved_only_old is None:
        return math.nan
    return mcnemar_worse(facts.solved_only_new, facts.solved_only_old)
