"""What running one tactic leads to, and how a search ends.

A tactic that fails is an ordinary outcome. A worker that fails is an exception
(:class:`leanebm.errors.WorkerLost`) and says nothing about the tactic.
"""

from __future__ import annotations

import enum
from typing import ClassVar, Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core.proof_state import ProofState


class TacticFate(enum.StrEnum):
    """What became of a tactic that was proposed, from Lean's answer to the column of a Parquet file.

    Lean's answer alone is the :attr:`fate` of a :data:`TacticOutcome`; a search, or the replay of a known proof, says
    more of a tactic that led to a state.
    """

    ADVANCED = "advanced"
    """Goals are left. In a search: to a state that it had not seen, which is a new node."""

    FINISHED = "finished"
    """No goal is left: a candidate proof."""

    REJECTED = "rejected"
    """Lean refused it; it led nowhere."""

    TIMED_OUT = "timed_out"
    """It ran into a limit inside Lean; it led nowhere that we know of."""

    MERGED = "merged"
    """In a search: to a state that the search already knew by another path."""

    CYCLIC = "cyclic"
    """In a search: back to the state itself or to one above it; no proof needs such a step."""

    KNOWN = "known"
    """Beside a known proof: it is the proof's own tactic."""

    ON_PATH = "on_path"
    """Beside a known proof: it led to a state of the proof, or back to one."""

    KEPT = "kept"
    """Beside a known proof: it led off the path to an open state that nothing proved, a negative."""

    DUPLICATE = "duplicate"
    """Beside a known proof: it led to a negative that another tactic had led to."""

    CLOSED = "closed"
    """Beside a known proof: closers prove the state it led to."""

    PROVABLE = "provable"
    """Beside a known proof: a short search from the state it led to found a proof, or a way back to the proof."""

    SURPLUS = "surplus"
    """Beside a known proof: there were negatives enough, so it was not run."""


@attrs.frozen
class ProofAdvanced:
    """Lean accepted the tactic and goals are left."""

    fate: ClassVar = TacticFate.ADVANCED

    state: ProofState
    elapsed_s: float
    """Seconds from sending the request to reading its answer."""

    __repr__ = fitting_repr


@attrs.frozen
class ProofFinished:
    """Lean accepted the tactic and no goal is left: a proof, once it is certified."""

    fate: ClassVar = TacticFate.FINISHED

    state: ProofState
    elapsed_s: float

    __repr__ = fitting_repr


@attrs.frozen
class TacticRejected:
    """Lean refused the tactic: it does not parse, does not elaborate, or does not apply."""

    fate: ClassVar = TacticFate.REJECTED

    message: str
    """Lean's own words."""

    elapsed_s: float

    __repr__ = fitting_repr


@attrs.frozen
class TacticTimedOut:
    """The tactic ran into a limit inside Lean (heartbeats, recursion, time); the worker lives on."""

    fate: ClassVar = TacticFate.TIMED_OUT

    message: str
    elapsed_s: float

    __repr__ = fitting_repr


TacticOutcome = ProofAdvanced | ProofFinished | TacticRejected | TacticTimedOut
"""Closed union: match it exhaustively."""


class SearchOutcome(enum.StrEnum):
    """Why a search, or the attempt to prove something with given tactics, ended.

    The sentence of each says what it means.
    """

    PROVED = "proved"
    EXHAUSTED = "exhausted"
    BUDGET_SPENT = "budget_spent"
    REJECTED = "rejected"

    INFRASTRUCTURE = "infrastructure"
    """It says nothing about the theorem, so it is never a label."""

    INCOMPLETE = "incomplete"
    """Of given tactics only; no search ends so."""

    @property
    def sentence(self) -> str:
        """A sentence for a person, with what to try next."""
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
        "Ask the policy for more candidates per state, or for more varied ones."
    ),
    SearchOutcome.BUDGET_SPENT: (
        "Not proved: a limit ended the search while there were states left to try. "
        "If it is true, a larger budget may help."
    ),
    SearchOutcome.REJECTED: (
        "Not proved: the search believed in at least one proof, and certification rejected it. The rejections say why."
    ),
    SearchOutcome.INFRASTRUCTURE: (
        "Nothing is known: Lean, the policy or the scorer failed during the search. "
        "The error says which; search the theorem again."
    ),
    SearchOutcome.INCOMPLETE: (
        "Not proved: the given tactics do not run to the end of a proof. "
        "Mend them, or leave them out to have one searched for."
    ),
}
