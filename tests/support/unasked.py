"""A part that is made, or refused, and never asked."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from leanebm.core import Candidate, EncoderIdentity, ProofState


class Unasked:
    """A policy, an energy model and an encoder; each question to one is a failure."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise AssertionError(f"{n} for {state}")

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        raise AssertionError(f"{states}")

    async def identity(self) -> EncoderIdentity:
        raise AssertionError

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        raise AssertionError(f"{texts}")
