"""Searches that begin in the middle of a proof."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import (
    CertificationResult,
    Proof,
    ProofAdvanced,
    ProofCertifier,
    ProofEnvironment,
    ProofFinished,
    ProofSession,
    ProofState,
    StateRef,
    TacticOutcome,
    Theorem,
)
from leanebm.errors import StaleState


@final
@attrs.define(eq=False)
class RerootedSession:
    """A :class:`~leanebm.core.ProofSession` that begins at a state of another, and knows which states are its own."""

    session: ProofSession
    root: ProofState
    _made: dict[StateRef, ProofState] = attrs.field(init=False, factory=dict)

    __repr__ = fitting_repr

    async def run_tactic(self, state: ProofState, tactic: str, *, goal: int = 0) -> TacticOutcome:
        """Run ``tactic`` in the session beneath."""
        outcome = await self.session.run_tactic(state, tactic, goal=goal)
        if isinstance(outcome, ProofAdvanced | ProofFinished):
            self._made[outcome.state.ref] = outcome.state
        return outcome

    async def free(self, states: Sequence[ProofState]) -> None:
        """Forget those of ``states`` that were made here; the root belongs to the session beneath."""
        own = [state for state in states if self._made.pop(state.ref, None) is not None]
        await self.session.free(own)

    async def free_all(self) -> None:
        """Forget everything that was made here."""
        await self.free(list(self._made.values()))


@attrs.frozen
class SessionEnvironment:
    """A :class:`~leanebm.core.ProofEnvironment` with one proof that is open already, at ``root``.

    Leaving it frees the states that were made in it, and leaves the session beneath open.
    """

    session: ProofSession
    root: ProofState

    __repr__ = fitting_repr

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:  # noqa: ARG002 - it is that theorem's
        """Begin at the root."""
        rerooted = RerootedSession(self.session, self.root)
        try:
            yield rerooted
        finally:
            await rerooted.free_all()


@attrs.frozen
class RerootedEnvironment:
    """A :class:`~leanebm.core.ProofEnvironment` whose proofs begin where ``prefix`` leads."""

    environment: ProofEnvironment
    prefix: tuple[str, ...]

    __repr__ = fitting_repr

    @asynccontextmanager
    async def open(self, theorem: Theorem) -> AsyncIterator[ProofSession]:
        """Open the theorem and run the prefix.

        Raises:
            StaleState: a tactic of the prefix fails, so the state is not to be reached.
        """
        async with self.environment.open(theorem) as session:
            root = session.root
            for tactic in self.prefix:
                outcome = await session.run_tactic(root, tactic)
                if not isinstance(outcome, ProofAdvanced):
                    raise StaleState(f"replaying {tactic!r} led elsewhere ({type(outcome).__name__})")
                root = outcome.state
            yield RerootedSession(session, root)


@attrs.frozen
class RerootedCertifier:
    """A :class:`~leanebm.core.ProofCertifier` of proofs that begin where ``prefix`` leads; it certifies the whole."""

    certifier: ProofCertifier
    prefix: tuple[str, ...]

    __repr__ = fitting_repr

    async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
        """Certify the prefix and ``proof`` as one proof of ``theorem``."""
        return await self.certifier.certify(theorem, (*self.prefix, *proof))
