from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from leanebm.core import Candidate, EncoderIdentity, Leaf, Node, ProofState
from leanebm.search import BestFirstSearch, SearchProgress


@attrs.frozen
class LadderScorer:
    """The higher on the ladder, the sooner; energies pull down."""

    rung: float = attrs.field(default=1.0, validator=attrs.validators.gt(0.0))
    """Height of a step, above 0."""

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [self.rung * leaf.depth + leaf.path_log_prob - (leaf.energy or 0.0) for leaf in leaves]


@attrs.frozen
class LadderPolicy:
    """Knows the scripted Lean's tactics. For a goal ``hold …`` it has no answer while ``gate``, a file, is missing."""

    tactics: tuple[str, ...] = ("fail", "step", "done")
    gate: Path | None = attrs.field(default=None, metadata={"affects_results": False})

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        if self.gate is not None and "hold" in state.text and not self.gate.exists():
            await asyncio.Event().wait()
        return [Candidate(tactic, -1.0 - place) for place, tactic in enumerate(self.tactics)][:n]


class LadderEnergy:
    def __init__(self, seed: int) -> None:
        self.seed = seed

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [float(len(state.text) + self.seed) for state in states]


@attrs.frozen
class LadderEncoder:
    """Two numbers of a state's text."""

    unit: float = 1.0

    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(model=f"ladder {self.unit}", pooling="none", is_normalized=False, dim=2)

    async def encode(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [(len(text) / self.unit, float(text.count("step"))) for text in texts]


class LadderSearch(BestFirstSearch):
    """Best first, but with the policy's last idea tried first."""

    def __init__(self, *, upside_down: bool = True, **parts: Any) -> None:
        super().__init__(**parts)
        self.upside_down = upside_down

    async def expand(self, progress: SearchProgress, node: Node) -> Sequence[Candidate]:
        candidates = await super().expand(progress, node)
        return candidates[::-1] if self.upside_down else candidates
