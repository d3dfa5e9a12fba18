"""One node of one search, as a row of the trajectory."""

from __future__ import annotations

from typing import Final

import attrs

__all__ = ["MAX_MESSAGE_CHARS", "Attempt", "TrajectoryRow"]

MAX_MESSAGE_CHARS: Final = 500
"""Lean's words about one refused tactic are kept up to this length."""


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_CHARS else message[: MAX_MESSAGE_CHARS - 1] + "…"


@attrs.frozen(kw_only=True)
class Attempt:
    """One tactic that was run on a node, and what came of it; refused ones are half of what is learnt."""

    tactic: str
    log_prob: float
    """Natural logarithm of its probability under the policy."""

    kind: str
    """``advanced``, ``merged``, ``cyclic``, ``finished``, ``rejected`` or ``timed_out``."""

    target: int = -1
    """Index of the node it led to; −1 if it led nowhere."""

    message: str = attrs.field(default="", converter=_cut)
    """Lean's own words, cut to :data:`MAX_MESSAGE_CHARS` characters."""

    elapsed_s: float = 0.0
    """Seconds that Lean took."""


@attrs.frozen(kw_only=True)
class TrajectoryRow:
    """A proof state, the best path known to it, and everything that was tried on it.

    ``run_id`` and ``theorem`` name the search; ``node`` and ``parent`` are indices within it. A node
    that a better path reached later hangs from a node with a larger index, so do not rely on
    ``parent < node``; the tree has no cycle.
    """

    run_id: str
    theorem: str
    """The theorem's name."""

    statement: str
    """Its statement, or ``@`` and the library name it was taken from."""

    outcome: str
    """How the theorem's search ended: one of :data:`~leanebm.trajectory.THEOREM_OUTCOMES`."""

    node: int
    """Order of discovery; the root is 0."""

    parent: int
    """The node before the last tactic; −1 for the root."""

    state_key: str
    """Equal for states that differ only in names of bound and inaccessible variables."""

    state_text: str
    """All goals as Lean prints them; empty for a finished state."""

    num_goals: int
    tactic: str | None
    """The last tactic of the path; null for the root."""

    log_prob: float
    """Natural logarithm of that tactic's probability; 0 for the root."""

    path_log_prob: float
    """Sum of ``log_prob`` from the root."""

    priority: float | None
    """What the scorer said; null for finished states and for those the end of the run left unscored."""

    energy: float | None = None
    """What the energy head said, lower is more provable; null if none was loaded."""

    depth: int
    """Tactics from the root."""

    remaining_depth: int
    """Tactics to the end of the certified proof, along it; −1 off that path, where it is unknown."""

    on_proof_path: bool
    """Whether the certified proof passes through here."""

    status: str
    """``open``, ``partial``, ``expanded``, ``dead``, ``unexpandable``, ``pruned``, ``finished``,
    ``proved`` or ``rejected``. Only ``dead`` says that every candidate failed; ``open``, ``partial``,
    ``unexpandable`` and ``pruned`` say that nobody knows."""

    expansion: int = -1
    """Order of expansion; −1 if it was not expanded."""

    attempts: tuple[Attempt, ...] = ()
    """Every tactic that was run here, in order."""

    started_unix_s: float
    """When the theorem's search began, in seconds since 1970-01-01 UTC."""

    found_s: float
    """Seconds from there to the node's discovery."""

    tactic_s: float
    """Seconds that Lean took for the tactic by which the node was discovered."""

    worker_epoch: int
    """Which incarnation of which Lean process held the state; unique within a run."""

    backend: str
    """Which Lean it was: ``embedded``, ``native`` or ``pantograph``."""

    seed: int
    """What the run's random choices were seeded with."""
