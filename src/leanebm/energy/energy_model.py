"""Scores proof states with a trained head, while a search runs."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final, Self, final

import attrs
import numpy as np
import torch

from leanebm._cancelled import uninterrupted
from leanebm._shown import named_repr
from leanebm.core import EncoderIdentity, ProofState, StateEncoder
from leanebm.energy.head import EnergyHead
from leanebm.errors import EncoderError, EnergyError

_MAX_BATCH: Final = 512
"""States in one forward: enough to fill the hardware, few enough to bound memory."""


@attrs.define(eq=False)
class _Wanted:
    """States that a caller waits for, and what became of them."""

    vectors: Sequence[array[float]]
    energies: Sequence[float] = ()
    failure: EnergyError | None = None

    @property
    def is_settled(self) -> bool:
        return bool(self.energies) or self.failure is not None


@final
class HeadEnergyModel:
    """A :class:`~leanebm.core.EnergyModel`: an encoder, and a head on top of it.

    ::

        async with PolicyClient(config) as encoder:
            checkpoint = load_checkpoint(folder, encoder=await encoder.identity())
            async with HeadEnergyModel(checkpoint.head, encoder) as energy:
                search = BestFirstSearch(..., energy=energy)

    Searches that run at the same time share forwards: whatever was embedded while one forward ran goes
    into the next. The head works in a thread, one forward at a time: it does not hold up the event loop,
    and its random generator is never used twice at once.

    The head scores as it is: with the settled spectral norm an energy moves by about a percent from one
    forward to the next; call :meth:`EnergyHead.freeze_spectral` first for energies that never move.

    Args:
        head: the trained head; it is put into evaluation mode.
        encoder: makes the vectors; the head must have been trained on its.
    """

    def __init__(self, head: EnergyHead, encoder: StateEncoder) -> None:
        self._head = head.eval()
        self._encoder = encoder
        self._identity: EncoderIdentity | None = None
        self._waiting: list[_Wanted] = []
        self._turn = asyncio.Lock()

    __repr__ = named_repr("_encoder")

    async def __aenter__(self) -> Self:
        """Ask the encoder who it is.

        Raises:
            EnergyError: its vectors do not fit the head.
            PolicyError: the encoder could not answer.
        """
        identity = await self._encoder.identity()
        width, wanted = identity.dim, self._head.config.d_in
        if width is not None and width != wanted:
            raise EnergyError(
                f"the head takes vectors of {wanted} numbers, the encoder gives {width}: "
                "use the encoder that the head was trained with, or train a head for this one"
            )
        self._identity = identity
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Take no more states; those that are waiting still get their energies."""
        self._identity = None

    async def energies(self, states: Sequence[ProofState]) -> list[float]:
        """One energy per state, in order; lower is more provable.

        Raises:
            EnergyError: an energy is not finite, or the encoder is not the one it was at the start.
            EncoderError: a vector is missing or of the wrong width.
            PolicyError: the encoder could not answer.
        """
        identity = self._identity
        if identity is None:
            raise EnergyError("the energy model was used outside its `async with`: enter it first, leave it last")
        if not states:
            return []
        if any(state.is_solved for state in states):
            raise EnergyError("a finished proof has no energy: it ends the search, so there is nothing to score")
        vectors = await self._encoder.encode([state.text for state in states])
        self._check(vectors, len(states))
        await self._require_same_encoder(identity)
        energies = await self._scored(_Wanted(vectors))
        if not np.isfinite(energies).all():
            raise EnergyError(f"the head gave energies that are not finite: {energies}; its checkpoint is damaged")
        return energies

    def _check(self, vectors: Sequence[array[float]], count: int) -> None:
        """A missing vector is an error, never an energy of 0."""
        if len(vectors) != count:
            raise EncoderError(f"the encoder gave {len(vectors)} vectors for {count} states")
        width = self._head.config.d_in
        if wrong := [len(vector) for vector in vectors if len(vector) != width]:
            raise EncoderError(f"the head takes vectors of {width} numbers, the encoder gave one of {wrong[0]}")

    async def _require_same_encoder(self, identity: EncoderIdentity) -> None:
        now = await self._encoder.identity()
        if now != identity:
            raise EnergyError(
                "the encoder changed while the search ran, and energies before and after cannot be compared: "
                f"{'; '.join(now.differences(identity))} (at the start). Whoever runs its server gave it other "
                "weights, or another adapter under that name: have it serve the former and resume, or begin another run"
            )

    async def _scored(self, wanted: _Wanted) -> list[float]:
        """Wait for the forward that is running; the first to get its turn then scores for all who wait."""
        self._waiting.append(wanted)
        try:
            async with self._turn:
                if not wanted.is_settled:
                    # A thread cannot be cancelled, and the others want its numbers.
                    await uninterrupted(self._score_all_who_wait())
        finally:
            if wanted in self._waiting:  # cancelled before its turn
                self._waiting.remove(wanted)
        if wanted.failure is not None:
            raise wanted.failure
        return list(wanted.energies)

    async def _score_all_who_wait(self) -> None:
        together, self._waiting = self._waiting, []
        matrix = np.array([vector for wanted in together for vector in wanted.vectors], dtype=np.float32)
        try:
            energies = iter(await asyncio.to_thread(self._forward, matrix))
        except Exception as error:  # noqa: BLE001 - whatever torch raises, each caller gets it
            for wanted in together:
                wanted.failure = EnergyError(f"the head failed: {error}")
            return
        for wanted in together:
            wanted.energies = [next(energies) for _ in wanted.vectors]

    def _forward(self, matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[float]:
        device = next(self._head.parameters()).device
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(matrix), _MAX_BATCH)
            return [energy for part in parts for energy in self._head(part.to(device)).tolist()]
