"""A decision point of a known proof: the state that leads on, and states that led off the path.

This is what the energy head learns from.
"""

from __future__ import annotations

import enum

import attrs
from attrs.validators import ge, in_, min_len

from leanebm._shown import fitting_repr


class Evidence(enum.Enum):
    """How sure it is that a negative cannot be proved."""

    DEAD = "dead"
    """Verified: everything that was tried on it, and on all that came of it, failed."""

    UNKNOWN = "unknown"
    """It is off the known proof, and nobody has proved it."""


@attrs.frozen(kw_only=True)
class NegativeState:
    """A sibling of an on-path state that is not on the path itself."""

    text: str = attrs.field(validator=min_len(1))
    """All goals as Lean prints them."""

    key: str
    """Equal for states that differ only in names of bound and inaccessible variables."""

    tactic: str
    """What led there from the decision point."""

    log_prob: float
    """Natural logarithm of the tactic's probability under the policy."""

    evidence: Evidence = Evidence.UNKNOWN

    __repr__ = fitting_repr


@attrs.frozen(kw_only=True)
class ContrastiveGroup:
    """One step of a verified proof, and the steps beside it that led elsewhere.

    The positive is an open state: a finished proof is never scored, so the step that closes the last
    goal makes no group.
    """

    theorem: str
    """The theorem's name."""

    module: str = ""
    """The library module it was taken from; empty for a statement of one's own."""

    parent_text: str
    """The state at which the steps part, as Lean prints it."""

    parent_key: str
    positive_text: str = attrs.field(validator=min_len(1))
    """The next state of the proof."""

    positive_key: str
    positive_tactic: str
    """The proof's own step."""

    positive_log_prob: float | None = None
    """Natural logarithm of its probability under the policy; ``None`` if the policy did not propose it."""

    negatives: tuple[NegativeState, ...] = ()
    """Siblings off the path, the likeliest first. May be empty: such a group still teaches depth."""

    depth: int = attrs.field(validator=ge(0))
    """Tactics from the root to the parent."""

    remaining_depth: int = attrs.field(validator=ge(1))
    """Tactics from the positive to the end of the proof."""

    source: str = attrs.field(validator=in_(("replay", "search")))
    """``replay`` of a known proof, or a ``search`` that found it."""

    round: int = attrs.field(default=0, validator=ge(0))
    """Of expert iteration; 0 is the first."""

    __repr__ = fitting_repr

    @property
    def family(self) -> str:
        """What must not be torn apart by a split into training and validation: the module, or the theorem."""
        return self.module or self.theorem
