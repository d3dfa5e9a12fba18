"""Scores proof states with a trained head, while a search runs."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final, Self, final

import attrs
import numpy as np
import torch

from leanebm.core import EncoderIdentity, ProofState, StateEncoder
from leanebm.energy.head import EnergyHead
from leanebm.errors import EncoderError, EnergyError

__all__ = ["HeadEnergyModel"]

_MAX_BATCH: Final = 512
"""States in one forward: enough to fill the hardware, few enough to bound memory."""


@attrs.frozen(eq=False)
class _Wanted:
    vectors: Sequence[array[float]]
    energies: asyncio.Future[list[float]]


@final
class HeadEnergyModel:
    """A :class:`~leanebm.core.EnergyModel`: an encoder, and a head on top of it.

    ::

        async with PolicyClient(config) as encoder:
            checkpoint = load_checkpoint(folder, encoder=await encoder.identity())
            async with HeadEnergyModel(checkpoint.head, encoder) as energy:
                search = BestFirstSearch(..., energy=energy)

    Searches that run at the same time share forwards: whatever has been embedded while the last forward
    ran goes into the next one. The head works in a thread, one forward at a time, so that neither a
    large head nor its random generator holds anything up or is used twice at once.

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
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Ask the encoder who it is, and start taking states.

        Raises:
            EnergyError: its vectors do not fit the head.
            PolicyError: the encoder could not answer.
        """
        self._identity = await self._encoder.identity()
        width, wanted = self._identity.dim, self._head.config.d_in
        if width is not None and width != wanted:
            raise EnergyError(
                f"the head takes vectors of {wanted} numbers, the encoder gives {width}: "
                "use the encoder that the head was trained with, or train a head for this one"
            )
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop; whoever still waits is told."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))
        for wanted in self._waiting:
            wanted.energies.cancel()
        self._waiting.clear()

    async def energies(self, states: Sequence[ProofState]) -> list[float]:
        """One energy a state, in order; lower is more provable.

        Raises:
            EnergyError: an energy is not finite, or the encoder is not the one it was at the start.
            EncoderError: a vector is missing or of the wrong width.
            PolicyError: the encoder could not answer.
        """
        if self._task is None:
            raise EnergyError("the energy scorer was used outside its `async with`")
        if not states:
            return []
        if any(state.is_solved for state in states):
            raise EnergyError("a finished proof has no energy: it ends the search, so there is nothing to score")
        vectors = await self._encoder.encode([state.text for state in states])
        self._check(vectors, len(states))
        await self._require_same_encoder()
        wanted = _Wanted(vectors, asyncio.get_running_loop().create_future())
        self._waiting.append(wanted)
        self._arrived.set()
        energies = await wanted.energies
        if not np.isfinite(energies).all():
            raise EnergyError(f"the head gave energies that are not finite: {energies}; its checkpoint is damaged")
        return energies

    def _check(self, vectors: Sequence[array[float]], count: int) -> None:
        """A missing vector is an error, and never an energy of nought."""
        if len(vectors) != count:
            raise EncoderError(f"the encoder gave {len(vectors)} vectors for {count} states")
        width = self._head.config.d_in
        if wrong := [len(vector) for vector in vectors if len(vector) != width]:
            raise EncoderError(f"the head takes vectors of {width} numbers, the encoder gave one of {wrong[0]}")

    async def _require_same_encoder(self) -> None:
        now = await self._encoder.identity()
        if self._identity is not None and now != self._identity:
            raise EnergyError(
                "the encoder changed while the search ran, and energies before and after cannot be compared: "
                + "; ".join(now.differences(self._identity))
            )

    async def _serve(self) -> None:
        """Score what is waiting, and again what has come meanwhile."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            round_, self._waiting = self._waiting, []
            try:
                matrix = np.array([vector for wanted in round_ for vector in wanted.vectors], dtype=np.float32)
                scored = await asyncio.to_thread(self._forward, matrix)
            except BaseException as error:
                for wanted in round_:
                    _fail(wanted.energies, error)
                if not isinstance(error, Exception):
                    raise
                continue
            energies = iter(scored)
            for wanted in round_:
                mine = [next(energies) for _ in wanted.vectors]
                if not wanted.energies.done():  # its search was cancelled
                    wanted.energies.set_result(mine)

    def _forward(self, matrix: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> list[float]:
        device = next(self._head.parameters()).device
        with torch.inference_mode():
            parts = torch.split(torch.from_numpy(matrix), _MAX_BATCH)
            return [energy for part in parts for energy in self._head(part.to(device)).tolist()]


def _fail(waiting: asyncio.Future[list[float]], error: BaseException) -> None:
    if waiting.done():
        return
    if isinstance(error, asyncio.CancelledError):
        waiting.cancel()
    else:
        waiting.set_exception(EnergyError(f"the head failed: {error}"))
