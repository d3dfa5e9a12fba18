"""What became of one known proof when it was replayed, and of the tactics that were tried beside it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs
from attrs.validators import ge, in_

from leanebm.core import Theorem

__all__ = ["REPLAY_OUTCOMES", "CandidateFate", "ContrastiveRecord"]

REPLAY_OUTCOMES: Final = (
    "verified",
    "refused",
    "tactic_rejected",
    "tactic_timed_out",
    "unfinished",
    "uncertified",
    "infrastructure",
)
"""How the replay of a known proof can end. Only ``verified`` gives groups.

``verified``
    Every tactic ran, no goal was left, and the whole proof was certified.
``refused``
    The statement or its header does not elaborate.
``tactic_rejected``
    Lean refused one of the proof's own tactics.
``tactic_timed_out``
    One of them ran into a limit. On another day it may not, so it is tried again on resume.
``unfinished``
    All tactics ran, and goals are left.
``uncertified``
    No goal was left, and the certifier did not accept the proof.
``infrastructure``
    Something broke. It says nothing about the proof and is tried again on resume.
"""


class CandidateFate(enum.StrEnum):
    """What became of a tactic that the policy proposed at a decision point."""

    KEPT = "kept"
    """It led off the path to an open state that nothing proved: a negative."""

    KNOWN = "known"
    """It is the proof's own tactic."""

    REJECTED = "rejected"
    """Lean refused it."""

    TIMED_OUT = "timed_out"
    """It ran into a limit inside Lean."""

    FINISHED = "finished"
    """It left no goal, so it is as right as the proof."""

    ON_PATH = "on_path"
    """It led to a state of the proof, or back to one."""

    DUPLICATE = "duplicate"
    """It led to a negative that another tactic of the group had led to."""

    CLOSED = "closed"
    """Closers prove the state it led to."""

    PROVABLE = "provable"
    """A short search from the state it led to found a proof, or a way back to a state of the proof."""

    SURPLUS = "surplus"
    """The group had negatives enough; it was not looked at."""


@attrs.frozen(kw_only=True)
class ContrastiveRecord:
    """One theorem of a set of contrastive groups."""

    theorem: Theorem
    module: str = ""
    """The library module it was taken from; empty if it is of nobody's library."""

    run_id: str
    """The run that replayed it."""

    outcome: str = attrs.field(validator=in_(REPLAY_OUTCOMES))
    """One of :data:`REPLAY_OUTCOMES`."""

    message: str = ""
    """What went wrong, in Lean's own words where there are some; empty if nothing did."""

    failed_step: int = -1
    """Which of the proof's tactics failed, from 0; −1 if none did."""

    num_steps: int = attrs.field(validator=ge(1))
    """Tactics of the proof."""

    num_groups: int = attrs.field(default=0, validator=ge(0))
    fates: Mapping[str, int] = attrs.field(factory=dict)
    """How many of the policy's candidates met which :class:`CandidateFate`."""

    tactic_calls: int = attrs.field(default=0, validator=ge(0))
    """Tactics that Lean ran and answered, closers included."""

    wall_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds that the theorem took."""

    policy_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Of these, seconds spent waiting for candidates."""

    lean_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for tactics."""

    certify_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for the certifier."""

    @property
    def is_final(self) -> bool:
        """Whether something is known of the proof, so that it need not be replayed again."""
        return self.outcome not in ("tactic_timed_out", "infrastructure")
