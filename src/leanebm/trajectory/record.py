"""One theorem's search, summed up."""

from __future__ import annotations

from typing import Final

import attrs
from attrs.validators import and_, ge, in_, instance_of, not_, optional

from leanebm._shown import fitting_repr
from leanebm.core import Certificate, CertificationRejected, NodeStatus, SearchOutcome, TacticFate, Theorem


@attrs.frozen(kw_only=True)
class TheoremRecord:
    """How one theorem's search ended, and what it cost.

    Raises:
        ValueError: the outcome is ``proved`` without a certificate, or has one and is not; or the certificate is for
            another theorem.
    """

    theorem: Theorem
    run_id: str
    """The run that searched it; with the theorem's name it identifies the search."""

    outcome: SearchOutcome = attrs.field(
        validator=and_(instance_of(SearchOutcome), not_(in_([SearchOutcome.INCOMPLETE])))
    )
    """How it ended."""

    certificate: Certificate | None = None
    """The proof, its axioms and its whole source; present exactly if the outcome is ``proved``."""

    rejections: tuple[CertificationRejected, ...] = ()
    """Candidate proofs that the certifier did not accept."""

    error_kind: str | None = None
    """The class of the exception that broke the search, if one did."""

    error: str | None = None
    """Its message."""

    started_unix_s: float
    """When the search began, in seconds since 1970-01-01 UTC."""

    nodes: int = attrs.field(validator=ge(0))
    """States found, the root and finished ones included."""

    expansions: int = attrs.field(validator=ge(0))
    """Nodes about which the policy was asked."""

    tactic_calls: int = attrs.field(validator=ge(0))
    """Tactics that Lean ran and answered."""

    policy_calls: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """Times the policy was asked for candidates; ``None`` if the search did not count."""

    energy_calls: int | None = attrs.field(default=None, validator=optional(ge(0)))
    """States that were given an energy, each of which a head has encoded; ``None`` if the search did not count."""

    wall_s: float = attrs.field(validator=ge(0.0))
    """Seconds from opening the proof to the end of the search."""

    policy_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Of these, seconds spent waiting for candidates."""

    policy_wait_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Of these, seconds in which no server was at work on them: they waited for room, or for a full server."""

    policy_weights: tuple[str, ...] = ()
    """Versions of the weights that the candidates came from, as far as servers say."""

    lean_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for tactics."""

    score_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for energies and scores."""

    certify_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for the certifier."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if (self.outcome is SearchOutcome.PROVED) != (self.certificate is not None):
            raise ValueError(f"{self.theorem.name!r}: a theorem is proved exactly if there is a certificate for it")
        if self.certificate is not None and self.certificate.theorem != self.theorem:
            raise ValueError(f"{self.theorem.name!r}: the certificate is for {self.certificate.theorem.name!r}")

    @property
    def model_calls(self) -> int | None:
        """Policy and energy calls together."""
        return None if self.policy_calls is None or self.energy_calls is None else self.policy_calls + self.energy_calls

    @property
    def is_final(self) -> bool:
        """Whether the search said something about the theorem, so that it need not be repeated."""
        return self.outcome is not SearchOutcome.INFRASTRUCTURE


MAX_MESSAGE_CHARS: Final = 500
"""Lean's words about one refused tactic are kept up to this length."""


def _cut(message: str) -> str:
    return message if len(message) <= MAX_MESSAGE_CHARS else message[: MAX_MESSAGE_CHARS - 1] + "…"


@attrs.frozen(kw_only=True)
class Attempt:
    """One tactic that was run on a node, and what came of it; the refused ones are half of what is learnt."""

    tactic: str
    """As it runs on the first goal: if it was tried on another one, it begins with ``rotate_left``."""

    log_prob: float
    """Natural logarithm of its probability under the policy."""

    kind: TacticFate = attrs.field(validator=instance_of(TacticFate))
    """What became of it: ``advanced``, ``merged``, ``cyclic``, ``finished``, ``rejected`` or ``timed_out``."""

    target: int = -1
    """Index of the node it led to; −1 if it led nowhere."""

    message: str = attrs.field(default="", converter=_cut)
    """Lean's own words, cut to :data:`MAX_MESSAGE_CHARS` characters."""

    elapsed_s: float = 0.0
    """Seconds that Lean took."""

    __repr__ = fitting_repr


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

    outcome: SearchOutcome = attrs.field(validator=instance_of(SearchOutcome))
    """How the theorem's search ended."""

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

    policy_weights: str | None = None
    """Version of the policy's weights that proposed that tactic; null for the root, and where no server says."""

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

    status: NodeStatus = attrs.field(validator=instance_of(NodeStatus))
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

    __repr__ = fitting_repr
