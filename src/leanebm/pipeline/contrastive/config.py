"""Settings of contrastive groups made from known proofs."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import and_, deep_iterable, ge, gt, instance_of, matches_re

from leanebm._shown import fitting_repr

CLOSERS: Final = ("rfl", "decide", "contradiction", "omega", "simp", "simp_all", "grind")
"""What is tried on every negative by default, the cheapest first."""

_ONE_LINE: Final = r"\S[^\n]*"


@attrs.frozen(kw_only=True)
class NegativesConfig:
    """How many states beside a known proof are looked for, and how hard it is tried to prove them."""

    min_steps: int = attrs.field(default=2, validator=[instance_of(int), ge(1)])
    """Shorter proofs are left out, at least 1. A proof of one step has no open state to learn from."""

    candidates_per_step: int = attrs.field(default=16, validator=[instance_of(int), ge(1)])
    """Tactics that the policy is asked for at each step, at least 1."""

    target_negatives: int = attrs.field(default=8, validator=[instance_of(int), ge(1)])
    """Negatives after which a step is done, at least 1; the likeliest candidates come first."""

    closers: tuple[str, ...] = attrs.field(
        default=CLOSERS, validator=deep_iterable(and_(instance_of(str), matches_re(_ONE_LINE)), instance_of(tuple))
    )
    """Tactics, one per line, that may prove a negative. A state that they prove is not a negative."""

    probe_expansions: int = attrs.field(default=16, validator=[instance_of(int), ge(0)])
    """Expansions of the search for a proof of each negative. 0 searches none, and then nothing is known to be dead."""

    probe_candidates: int = attrs.field(default=16, validator=[instance_of(int), ge(1)])
    """Tactics that the policy is asked for at each of them, at least 1."""

    probe_wall_s: float = attrs.field(default=60.0, validator=gt(0.0))
    """Seconds that one such search may take, above 0: a rein on states where everything is slow."""

    round: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Of expert iteration, written into every group; 0 is the first."""

    __repr__ = fitting_repr
