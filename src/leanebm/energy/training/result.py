"""What a training of an energy head produced."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from leanebm._shown import fitting_repr
from leanebm.energy.checkpoint import EnergyCheckpoint
from leanebm.energy.diagnostics import Estimate, TrainingFacts


@attrs.frozen(kw_only=True, eq=False)
class TrainingResult:
    """The best head, by sibling pairwise accuracy on held-out theorems, and how it came about."""

    folder: Path = attrs.field(converter=Path)
    """Where it is."""

    checkpoint: EnergyCheckpoint
    """The best head, as in ``folder``."""

    best_step: int
    """The step after which it was saved."""

    steps: int
    """Steps made in all."""

    stopped_early: bool
    """Whether training ended because validation had stopped to improve."""

    pairwise: Estimate
    """Sibling pairwise accuracy on validation, with an interval over theorems. A little flattered: it is the
    best of several looks at the same theorems."""

    twin_pairwise: Estimate | None
    """The shuffled twin's after the last step, on its own roles; 0.50 is honest. ``None`` without a twin."""

    elapsed_s: float
    """Seconds that this call took; what an interrupted one took before is not in it."""

    __repr__ = fitting_repr

    @property
    def metrics(self) -> Mapping[str, float]:
        """The best head's figures, as its checkpoint has them."""
        return self.checkpoint.header.metrics

    @property
    def facts(self) -> TrainingFacts:
        """What a diagnosis of the head wants to know of its training."""
        return TrainingFacts(
            steps=self.steps,
            skipped_steps=int(self.metrics["skipped_steps"]),
            log_scale=self.metrics["log_scale"],
            train_pairwise=self.metrics["train_pairwise"],
        )
