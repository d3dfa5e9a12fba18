"""Search that tries a few tactics everywhere before it asks the policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leanebm._shown import shown
from leanebm.core import Candidate, Node
from leanebm.search.best_first import BestFirstSearch
from leanebm.search.progress import Expansion, SearchProgress


class ProbingSearch(BestFirstSearch):
    """Best-first search that runs probes on a state first; if one ends the proof, the policy is not asked.

    Probes are tactic calls as all others, and an expansion begins with them. What they lead to is a state of the tree,
    reached with the probability that is given here. A probe that the policy proposes, too, is not run again.

    Args:
        probes: the tactics, in their order.
        log_prob: the natural logarithm of the probability that each counts with.
        parts: as of :class:`BestFirstSearch`.

    Raises:
        ValueError: ``log_prob`` is above 0 or not finite, or a probe is blank.
    """

    def __init__(
        self, *, probes: tuple[str, ...] = ("rfl", "assumption"), log_prob: float = -1.0, **parts: Any
    ) -> None:
        super().__init__(**parts)
        if not all(probe.strip() for probe in probes):
            raise ValueError(f"probes are a list of tactics, none of them blank, not {shown(probes)}")
        self.probes = probes
        self.log_prob = log_prob
        self._probes = [Candidate(probe, log_prob) for probe in self.probes]

    async def _ask(self, progress: SearchProgress, expansion: Expansion, view: Node) -> Sequence[Candidate] | None:
        for probe in self._probes:
            if not progress.meter.allows_tactic:
                return None
            await self._run_tactic(progress, expansion, probe)
            if progress.certificate is not None:
                return None
        candidates = await super()._ask(progress, expansion, view)
        return candidates and [each for each in candidates if each.tactic.strip() not in self.probes]
