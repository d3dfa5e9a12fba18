"""What running one tactic leads to, and how a search ends.

A tactic that fails is an ordinary outcome. A worker that fails is an exception
(:class:`leanebm.errors.WorkerLost`) and says nothing about the tactic.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.proof_state import ProofState

__all__ = [
    "ProofAdvanced",
    "ProofFinished",
    "SearchOutcome",
    "TacticFate",
    "TacticOutcome",
    "TacticRejected",
    "TacticTimedOut",
]


@attrs.frozen
class ProofAdvanced:
    """Lean accepted the tactic and goals are left."""

    state: ProofState
    elapsed_s: float
    """Seconds from sending the request to reading its answer."""

    __repr__ = fitting_repr


@attrs.frozen
class ProofFinished:
    """Lean accepted the tactic and no goal is left: a proof, once it is certified."""

    state: ProofState
    elapsed_s: float

    __repr__ = fitting_repr


@attrs.frozen
class TacticRejected:
    """Lean refused the tactic: it does not parse, does not elaborate, or does not apply."""

    message: str
    """Lean's own words."""

    elapsed_s: float

    __repr__ = fitting_repr


@attrs.frozen
class TacticTimedOut:
    """The tactic ran into a limit inside Lean (heartbeats, recursion, time); the worker lives on."""

    message: str
    elapsed_s: float

    __repr__ = fitting_repr


TacticOutcome = ProofAdvanced | ProofFinished | TacticRejected | TacticTimedOut
"""Closed union: match it exhaustively."""


class TacticFate(enum.StrEnum):
    """What became of a tactic."""

    ADVANCED = "advanced"
    """To a state that the search had not seen: a new node."""

    MERGED = "merged"
    """To a state that the search already knew by another path."""

    CYCLIC = "cyclic"
    """Back to the state itself or to one above it; no proof needs such a step."""

    FINISHED = "finished"
    """To no goals: a candidate proof."""

    REJECTED = "rejected"
    """Nowhere: Lean refused the tactic."""

    TIMED_OUT = "timed_out"
    """Nowhere that we know of: the tactic ran into a limit inside Lean."""


class SearchOutcome(enum.StrEnum):
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
