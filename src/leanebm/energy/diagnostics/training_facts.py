"""What training and the world around a head say of it, beside what can be measured on its energies."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from attrs.validators import ge, optional

from leanebm._shown import fitting_repr
from leanebm.energy.diagnostics.estimate import Estimate
from leanebm.energy.spectral import SpectralReport

__all__ = ["TrainingFacts"]


@attrs.frozen(kw_only=True)
class TrainingFacts:
    """Figures that somebody else measured. ``None`` where nobody did: no alarm is raised on what is unknown."""

    steps: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Optimizer steps taken."""

    skipped_steps: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Steps left out because loss or gradient was not finite."""

    log_scale: float | None = None
    """Natural logarithm of the head's learnable scale; it is clamped to [−3, 5]."""

    train_pairwise: float | None = None
    """Sibling pairwise accuracy on the theorems trained on."""

    previous_pairwise: float | None = None
    """Validation sibling pairwise accuracy of the head that this one would replace."""

    solved_only_new: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Validation theorems, at equal budget, that a search proves with this head and not with the one before."""

    solved_only_old: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Those that it proves with the one before and not with this one."""

    false_negative_rate: float | None = None
    """Share of audited negatives that turned out provable."""

    false_negative_sample: int = attrs.field(default=0, validator=ge(0))
    """How many negatives were audited."""

    spectral: SpectralReport | None = None
    """How exactly the head's layers were normalised."""

    __repr__ = fitting_repr

    def metrics(self) -> Mapping[str, Estimate]:
        """The figures under the names that reports and alarms know them by."""
        counted = {
            "skipped_steps": (self.skipped_steps, self.steps or 0),
            "log_scale": (self.log_scale, 1),
            "train_pairwise": (self.train_pairwise, 1),
            "previous_pairwise": (self.previous_pairwise, 1),
            "fn_audit_rate": (self.false_negative_rate, self.false_negative_sample),
            "sn_shortfall_max": (self.spectral.max_shortfall, len(self.spectral.exact)) if self.spectral else (None, 0),
        }
        return {name: Estimate.plain(value, count) for name, (value, count) in counted.items() if value is not None}
