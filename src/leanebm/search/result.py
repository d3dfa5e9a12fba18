"""How a search ended, and everything it leaves behind."""

from __future__ import annotations

import enum
from typing import Final, Self

import attrs

from leanebm.core import Certificate, CertificationRejected, Theorem
from leanebm.errors import LeanEbmError
from leanebm.search.tree import Node, NodeStatus

__all__ = ["SearchOutcome", "SearchResult", "SearchStatistics"]


class SearchOutcome(enum.Enum):
    """Why a search ended."""

    PROVED = "proved"
    EXHAUSTED = "exhausted"
    BUDGET_SPENT = "budget_spent"
    REJECTED = "rejected"
    INFRASTRUCTURE = "infrastructure"

    @property
    def sentence(self) -> str:
        """What to tell a person, with what to try next."""
        return _SENTENCES[self]

    @classmethod
    def of(cls, *, is_certified: bool, has_failed: bool, was_rejected: bool, was_cut_off: bool) -> SearchOutcome:
        """The one outcome of a search in which all this happened.

        ============  ==========  ============  ===========  ==============
        is_certified  has_failed  was_rejected  was_cut_off  outcome
        ============  ==========  ============  ===========  ==============
        yes           any         any           any          PROVED
        no            yes         any           any          INFRASTRUCTURE
        no            no          yes           any          REJECTED
        no            no          no            yes          BUDGET_SPENT
        no            no          no            no           EXHAUSTED
        ============  ==========  ============  ===========  ==============

        A certificate outweighs everything that happens after it. A failure outweighs a rejection,
        because the rest of the search might have found a better proof. *Cut off* means that a state
        was left untried: by the budget, by a bounded frontier, or because its prompt was too long.
        """
        if is_certified:
            return cls.PROVED
        if has_failed:
            return cls.INFRASTRUCTURE
        if was_rejected:
            return cls.REJECTED
        return cls.BUDGET_SPENT if was_cut_off else cls.EXHAUSTED


_SENTENCES: Final = {
    SearchOutcome.PROVED: "Proved: Lean's kernel accepted the proof in a process that ran no search.",
    SearchOutcome.EXHAUSTED: (
        "Not proved: every state that the policy's tactics lead to was expanded. "
        "Ask the policy for more candidates a state, or for more varied ones."
    ),
    SearchOutcome.BUDGET_SPENT: (
        "Not proved: a limit ended the search while there were states left to try. Give it a larger budget."
    ),
    SearchOutcome.REJECTED: (
        "Not proved: the search believed in at least one proof, and certification rejected it. The rejections say why."
    ),
    SearchOutcome.INFRASTRUCTURE: (
        "Nothing is known: Lean, the policy or the scorer failed during the search. "
        "The error says which; search the theorem again."
    ),
}


def _count(items: tuple[object, ...]) -> str:
    return f"<{len(items)}>"


@attrs.frozen(kw_only=True)
class SearchStatistics:
    """What a search did and where its time went. Counts are taken from the tree itself."""

    nodes: int = 0
    """States found, the root and finished ones included."""

    expansions: int = 0
    """Nodes whose expansion began: the policy was asked about them."""

    tactic_calls: int = 0
    """Tactics that Lean ran and answered."""

    tactic_rejected: int = 0
    """Tactic calls that Lean refused."""

    tactic_timed_out: int = 0
    """Tactic calls that ran into a limit inside Lean."""

    merged: int = 0
    """Tactic calls that led to a state known by another path."""

    cyclic: int = 0
    """Tactic calls that led back to the state itself or to one above it."""

    unexpandable: int = 0
    """Nodes whose prompt was too long for the policy."""

    pruned: int = 0
    """Nodes that a bounded frontier dropped."""

    wall_s: float = 0.0
    """Seconds from the moment the proof was open; 0 if it never was."""

    policy_s: float = 0.0
    """Seconds spent waiting for candidates."""

    lean_s: float = 0.0
    """Seconds spent waiting for tactics and for states to be freed."""

    score_s: float = 0.0
    """Seconds spent waiting for energies and scores."""

    certify_s: float = 0.0
    """Seconds spent waiting for the certifier."""


@attrs.frozen(kw_only=True)
class SearchResult:
    """Everything that one theorem's search found, also when it failed."""

    theorem: Theorem
    outcome: SearchOutcome
    certificate: Certificate | None
    """The proof; present exactly if the outcome is ``PROVED``."""

    rejections: tuple[CertificationRejected, ...] = attrs.field(repr=_count)
    """Candidate proofs that the certifier did not accept, in the order they were found."""

    nodes: tuple[Node, ...] = attrs.field(repr=_count)
    """Every node, in order of discovery; the root first. Empty if the proof could not be opened."""

    statistics: SearchStatistics
    error: LeanEbmError | None
    """What broke, if something did. With outcome ``PROVED`` it broke after the proof was certified."""

    @classmethod
    def unopened(cls, theorem: Theorem, error: LeanEbmError | None) -> Self:
        """The result of a search that could not even open the proof."""
        return cls(
            theorem=theorem,
            outcome=SearchOutcome.INFRASTRUCTURE,
            certificate=None,
            rejections=(),
            nodes=(),
            statistics=SearchStatistics(),
            error=error,
        )

    @property
    def proof(self) -> tuple[Node, ...]:
        """The nodes of the certified path, from the root to the finished state; empty if there is none."""
        proved = (node for node in self.nodes if node.status is NodeStatus.PROVED)
        return next((tuple(node.lineage)[::-1] for node in proved), ())
