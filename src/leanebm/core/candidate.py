"""A tactic that a policy proposes."""

from __future__ import annotations

import math
from operator import index

import attrs
from attrs.validators import instance_of, optional

from leanebm._shown import fitting_repr


def _plain(number: float) -> float:
    """A number of any kind, a tensor's or numpy's, as the float that it is: files take no other."""
    return float(number) if math.isfinite(number) else number  # which refuses a text, too


def _finite_and_not_positive(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not (math.isfinite(value) and value <= 0.0):
        raise ValueError(f"{attribute.name} must be a finite natural logarithm of a probability, got {value}")


@attrs.frozen
class Candidate:
    """A tactic's text and how likely the policy held it to be."""

    tactic: str = attrs.field(validator=instance_of(str))
    """What Lean is asked to run: one tactic, or a block of several lines."""

    log_prob: float = attrs.field(converter=_plain, validator=_finite_and_not_positive)
    """Natural logarithm of the tactic's probability under the policy, at its sampling temperature."""

    num_tokens: int = attrs.field(default=1, converter=index)
    """Tokens that make up the tactic, for per-token normalisation."""

    is_truncated: bool = attrs.field(default=False, converter=bool)
    """Whether generation stopped at the length limit; such a tactic is probably cut short."""

    weights: str | None = attrs.field(default=None, eq=False, validator=optional(instance_of(str)))
    """Version of the weights that proposed it; ``None`` where no server says. Makes no difference to a search."""

    __repr__ = fitting_repr
