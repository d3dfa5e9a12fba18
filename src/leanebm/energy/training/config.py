"""Settings of the training of an energy head."""

from __future__ import annotations

import enum
import math
from typing import Final

import attrs
from attrs.validators import ge, gt, instance_of, lt, matches_re, optional

from leanebm._fields import DEVICE, FINITE
from leanebm._shown import fitting_repr
from leanebm.energy.training.sampler import SamplerConfig

_LOOKS_AT_A_GROUP: Final = 100
_FEWEST_STEPS: Final = 500
_MOST_STEPS: Final = 20_000
_EVALUATIONS: Final = 40
_FEWEST_BETWEEN: Final = 25


class RankingLoss(enum.Enum):
    """What punishes a positive that is not clearly below its negatives; see :mod:`leanebm.energy.losses`."""

    BRADLEY_TERRY = "bradley_terry"
    """Each pair on its own, as a preference."""

    INFO_NCE = "info_nce"
    """The positive against all its negatives at once."""

    MARGIN = "margin"
    """Each pair, until the gap is wide enough."""

    LISTWISE = "listwise"
    """A smooth version of the rank at which the positive ends up."""


@attrs.frozen(kw_only=True)
class ObjectiveConfig:
    """What a step minimises: one ranking loss, and terms beside it."""

    loss: RankingLoss = attrs.field(default=RankingLoss.BRADLEY_TERRY, validator=instance_of(RankingLoss))
    """The ranking loss."""

    label_smoothing: float = attrs.field(default=0.05, validator=[ge(0.0), lt(0.5)])
    """Chance, in [0, 0.5), that a label is wrong, for ``bradley_terry`` and the path term: some
    negatives are provable after all."""

    temperature: float = attrs.field(default=1.0, validator=[gt(0.0), FINITE])
    """Energy difference that counts as one unit of log-odds, for ``info_nce`` and ``listwise``; above 0."""

    margin: float = attrs.field(default=1.0, validator=[gt(0.0), lt(2.0)])
    """Gap wanted by ``margin``, in standard deviations of the batch's energies, in (0, 2)."""

    path_weight: float = attrs.field(default=0.3, validator=[ge(0.0), FINITE])
    """Of the path term (nearer to the end of the proof = lower), at least 0."""

    depth_weight: float = attrs.field(default=0.1, validator=[ge(0.0), FINITE])
    """Of the remaining-depth term, at least 0."""

    center_weight: float = attrs.field(default=1e-3, validator=[ge(0.0), FINITE])
    """Of the squared mean energy, which keeps energies from drifting off together; at least 0."""


@attrs.frozen(kw_only=True)
class EnergyTrainerConfig:
    """How an energy head is trained; what it is made of is :class:`~leanebm.energy.EnergyHeadConfig`'s."""

    objective: ObjectiveConfig = attrs.field(factory=ObjectiveConfig)
    """What is minimised."""

    sampler: SamplerConfig = attrs.field(factory=SamplerConfig)
    """Which states meet in a step."""

    max_steps: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Steps at most, at least 1; the learning rate falls to 0 over them. ``None`` for as many as see each training
    group a hundred times, but no fewer than 500 and no more than 20 000."""

    learning_rate: float = attrs.field(default=3e-4, validator=[gt(0.0), FINITE])
    """Of AdamW, at its height, above 0. 1e-4 suits the 11-million-parameter head."""

    warmup_fraction: float = attrs.field(default=0.05, validator=[ge(0.0), lt(1.0)])
    """Share of the steps over which the learning rate rises, in [0, 1)."""

    weight_decay: float = attrs.field(default=0.01, validator=[ge(0.0), FINITE])
    """Of the weight matrices, at least 0; biases and the scale have none."""

    grad_clip: float = attrs.field(default=1.0, validator=gt(0.0))
    """Longest gradient, above 0."""

    max_skipped: int = attrs.field(default=10, validator=[instance_of(int), ge(0)])
    """Steps in all that may be left out because loss or gradient is not finite; one more is an error."""

    log_every: int = attrs.field(default=50, validator=[instance_of(int), ge(1)])
    """Steps between two rows of training figures, at least 1."""

    eval_every: int | None = attrs.field(default=None, validator=optional([instance_of(int), ge(1)]))
    """Steps between two looks at validation, each of which also saves what a resumed run needs; at least 1.
    ``None`` for 40 looks over all steps, but none sooner than 25 steps after another."""

    patience: int = attrs.field(default=6, validator=[instance_of(int), ge(1)])
    """Looks at validation without a better one after which training stops, at least 1."""

    with_twin: bool = attrs.field(default=True, validator=instance_of(bool))
    """Whether a twin is trained beside the head on shuffled roles, which doubles the work. Without it, a leak
    from validation into training would go unseen."""

    device: str = attrs.field(default="cpu", validator=matches_re(DEVICE))
    """Where torch computes: ``cpu``, ``cuda`` or ``cuda:1``. A training that was interrupted goes on where it began,
    bit for bit; trainings on two devices draw other random numbers."""

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Of the batches and of the twin's roles; the head's own is in its configuration."""

    __repr__ = fitting_repr

    def steps_for(self, num_groups: int) -> int:
        """Steps at most on ``num_groups`` training groups."""
        if self.max_steps is not None:
            return self.max_steps
        wanted = _LOOKS_AT_A_GROUP * num_groups / self.sampler.batch_groups
        return min(max(100 * math.ceil(wanted / 100), _FEWEST_STEPS), _MOST_STEPS)

    def eval_every_of(self, max_steps: int) -> int:
        """Steps between two looks at validation in a training of ``max_steps`` steps."""
        return self.eval_every or max(_FEWEST_BETWEEN, max_steps // _EVALUATIONS)

    def learning_rate_at(self, step: int, max_steps: int) -> float:
        """The learning rate of step ``1 … max_steps``: a line up, then half a cosine down to 0."""
        warmup = self.warmup_fraction * max_steps
        if step <= warmup:
            return self.learning_rate * (step / warmup)
        progress = (step - warmup) / (max_steps - warmup)
        return self.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))
