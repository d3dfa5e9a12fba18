"""A step of a known proof: the state, and the tactic that was right there."""

from __future__ import annotations

import attrs
from attrs.validators import ge, min_len

from leanebm.core import Theorem

__all__ = ["TacticPair"]


@attrs.frozen(kw_only=True)
class TacticPair:
    """One step of a proof.

    Raises:
        ValueError: the step lies outside the proof, the tactic is blank, or the state has no goal.
    """

    theorem: Theorem
    module: str = ""
    """The library module the theorem was taken from; empty if it is of nobody's library."""

    step: int = attrs.field(validator=ge(0))
    """Which step of the proof, from 0."""

    num_steps: int = attrs.field(validator=ge(1))
    """Steps of the whole proof."""

    state: str = attrs.field(validator=min_len(1))
    """All goals before the tactic, as Lean prints them."""

    tactic: str

    def __attrs_post_init__(self) -> None:
        if self.step >= self.num_steps:
            raise ValueError(f"step {self.step} of {self.num_steps} does not exist: steps are counted from 0")
        if not self.tactic.strip():
            raise ValueError("the tactic is empty")
