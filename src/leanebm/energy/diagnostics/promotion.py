"""Whether a head may steer a search."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

import attrs
from attrs.validators import ge, le

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.alarms import Alarm, Findings, Severity
from leanebm.energy.diagnostics.estimate import Estimate


class Grade(enum.Enum):
    """How good a head is, in one word."""

    PROMOTED = "promoted"
    """It tells siblings apart well enough to be used, and nothing speaks against it."""

    BELOW_TARGET = "below target"
    """Better than chance, but short of promotion."""

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
    """What a head must show before it steers a search with nothing held against it."""

    min_theorems: int = attrs.field(default=10, validator=ge(2))
    """Fewest held-out theorems with ranked decision points; below, nothing can be told."""

    min_pairwise: float = attrs.field(default=0.65, validator=[ge(0.5), le(1.0)])
    """Sibling pairwise accuracy wanted. At 0.63 to 0.65 an energy of equal weight begins to help more than
    it hurts."""

    max_twin: float = attrs.field(default=0.53, validator=[ge(0.5), le(1.0)])
    """Most that the twin trained on shuffled labels may reach."""

    def judge(self, findings: Findings, alarms: Sequence[Alarm]) -> PromotionVerdict:
        """Weigh the figures; the first of unsound, untested and chance that applies decides."""
        pairwise = findings.metrics.get("pairwise_sibling", Estimate.nothing())
        fatal = tuple(f"{alarm.name}: {alarm.finding}" for alarm in alarms if alarm.severity is Severity.FATAL)
        if fatal:
            summary = "Not to be trusted: its figures, or what it is fed, are unsound. It gets no say in the search."
            return PromotionVerdict(grade=Grade.UNSOUND, summary=summary, reasons=fatal)
        if pairwise.value is None or pairwise.low is None or pairwise.count < self.min_theorems:
            summary = "Too few held-out theorems to tell whether it helps. It gets no say in the search."
            held_out = "theorem has" if pairwise.count == 1 else "theorems have"
            reason = (
                f"{pairwise.count} held-out {held_out} ranked decision points, {self.min_theorems} are needed: "
                "search more theorems, and give train-ebm their runs, too (for training, and with --val)"
            )
            return PromotionVerdict(grade=Grade.UNTESTED, summary=summary, reasons=(reason,))
        shown = f"sibling pairwise accuracy {pairwise.value:.3f} [{pairwise.low:.3f}, {pairwise.high:.3f}]"
        if not pairwise.is_above(0.5):
            summary = "No better than chance at telling the next step from its siblings. It gets no say in the search."
            return PromotionVerdict(
                grade=Grade.NO_BETTER_THAN_CHANCE, summary=summary, reasons=(f"{shown}; chance is 0.5",)
            )
        shortcomings = self._shortcomings(pairwise.value, findings.value("twin_pairwise"))
        if shortcomings:
            summary = "Better than chance, but short of what promotion asks for. Use it knowingly."
            return PromotionVerdict(grade=Grade.BELOW_TARGET, summary=summary, reasons=(shown, *shortcomings))
        return PromotionVerdict(grade=Grade.PROMOTED, summary="Fit to guide a search.", reasons=(shown,))

    def _shortcomings(self, pairwise: float, twin: float) -> tuple[str, ...]:
        checks = {
            f"below the {self.min_pairwise:.2f} wanted": pairwise < self.min_pairwise,
            f"its shuffled twin reaches {twin:.3f}, more than {self.max_twin:.2f}": twin > self.max_twin,
            "no shuffled twin was trained, so a leak would go unseen": math.isnan(twin),
        }
        return tuple(reason for reason, holds in checks.items() if holds)
