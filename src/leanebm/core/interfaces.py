"""What search asks of the world. Any object with these methods will do; no base class is needed.

:mod:`leanebm.testing` has a contract check for each, to run over an implementation of your own.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, runtime_checkable

from leanebm.core.candidate import Candidate
from leanebm.core.certificate import CertificationResult
from leanebm.core.encoder_identity import EncoderIdentity
from leanebm.core.leaf import Leaf
from leanebm.core.outcome import TacticOutcome
from leanebm.core.proof_script import Proof
from leanebm.core.proof_state import ProofState
from leanebm.core.search_result import SearchResult
from leanebm.core.theorem import Theorem


class ProofSession(Protocol):
    """One theorem's proof, open in some proof assistant."""

    @property
    def root(self) -> ProofState:
        """The state before any tactic."""
        ...

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic`` on one of ``state``'s goals, the first unless said otherwise; ``state`` stays as it was.

        In the new state the goals that the tactic leaves come first, then those that were behind ``goal``, then
        those that were before it, each in their order: as after Lean's ``rotate_left``. The tactic can reach the
        other goals, too, if it says so (``all_goals``); ``focus`` keeps it from that. Goals that share metavariables
        with its own (``state.coupling`` says which) may change or vanish.

        Raises:
            ValueError: ``state`` has no goal of that number.
            WorkerLost: the proof assistant broke; nothing is known about the tactic.
            StaleState: ``state`` belongs to another session, or was freed.
        """
        ...

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget states that will not be visited again. Freeing twice is allowed."""
        ...


@runtime_checkable
class BatchingSession(ProofSession, Protocol):
    """A session that can be given several tactics at once. Searches use that where a session has it."""

    def run_tactics(
        self, state: ProofState, tactics: Sequence[str], *, goal: int = 0, within_s: float | None = None
    ) -> AsyncGenerator[TacticOutcome, None]:
        """Run ``tactics``, at least one, on one of ``state``'s goals, as :meth:`~ProofSession.run_tactic` runs each.

        Gives what each led to, in their order, as soon as it is known. None is begun after one that ends the proof,
        nor, but for the first, later than ``within_s`` from now, whatever was waited for. So there may be fewer
        outcomes than tactics, but never none.

        Raises as :meth:`~ProofSession.run_tactic`, under the tactic whose turn it is.
        """
        ...


class ProofEnvironment(Protocol):
    """Opens proofs."""

    def open(self, theorem: Theorem) -> AbstractAsyncContextManager[ProofSession]:
        """Start a proof of ``theorem``; leaving the context frees all its states.

        Raises:
            StatementError: the statement or header does not elaborate.
            WorkerLost: the proof assistant broke.
        """
        ...


class TacticPolicy(Protocol):
    """Proposes tactics."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        """Up to ``n`` distinct candidates for ``state``'s first goal, the likeliest first.

        Fewer, or none, is a normal answer.

        Raises:
            PolicyError: the policy could not answer; nothing is known about the state.
        """
        ...


class StateScorer(Protocol):
    """Says how promising leaves are.

    A scorer may have an attribute ``reads_energy``, true if it looks at :attr:`Leaf.energy`. A search with an energy
    model warns if its scorer says that it does not.
    """

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """One finite number per leaf, in the same order; **higher is expanded sooner**.

        Leaves with no goals are never passed: a finished proof ends the search at once.
        A number may depend on the leaf alone, never on the others in the batch.

        Raises:
            EnergyError: a leaf could not be scored. A scorer never makes up a number.
            PolicyError: the encoder behind the scorer could not answer.
        """
        ...


class StateEncoder(Protocol):
    """Turns printed proof states into vectors."""

    async def identity(self) -> EncoderIdentity:
        """Which encoder this is; vectors of different identities must not be mixed.

        Raises:
            PolicyError: the encoder could not answer.
        """
        ...

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        """One float32 vector per text, all of one width, in the same order.

        A text's vector does not depend on the others it is asked for with.

        Raises:
            EncoderError: a vector is missing, of another width, zero or not finite.
            PolicyError: the encoder could not answer.
        """
        ...


class EnergyModel(Protocol):
    """Says how hard to prove a state is."""

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        """One finite energy per state, in the same order; **lower is more provable**.

        States with no goals are never passed: a finished proof is not scored.

        Raises:
            EnergyError: a state could not be scored. A model never makes up a number.
            PolicyError: the encoder behind the model could not answer.
        """
        ...


class ProofCertifier(Protocol):
    """Decides whether a found proof counts."""

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        """Elaborate and kernel-check the whole proof from its text, away from the search.

        Args:
            theorem: What is to be proved.
            proof: A list of tactics, or a tree of :class:`~leanebm.core.ProofStep`.

        Raises:
            WorkerLost, CommandRefused: the certifier broke or had no time; the proof is neither accepted nor rejected.
        """
        ...


class ProofSearch(Protocol):
    """Searches for proofs. One object serves many theorems, several of them at the same time."""

    async def run(self, theorem: Theorem) -> SearchResult:
        """Search for a proof of ``theorem``. Calls share nothing that they record.

        A failure of Lean, the policy or the scorer does not raise: it is the result's ``error``, beside
        everything found until then. Nothing but a certificate makes a theorem proved.

        Raises:
            StatementError: the theorem's statement or header does not elaborate.
        """
        ...
