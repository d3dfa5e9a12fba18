"""Score by proofs that are known already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import attrs

from leanebm.core import Leaf
from leanebm.errors import ConfigError
from leanebm.search import LengthNormalisedLogProb
from leanebm.trajectory import read_trajectory, runs_in


@attrs.frozen(slots=False)
class Oracle:
    """States on a proof that some earlier run found come first, the nearest to its end before all; then the likeliest.

    It needs no more expansions than the shortest known proof has tactics, so this arm says what an order of the same
    candidates could gain, as far as anybody has proved the theorems.

    The runs are read when the first leaf is scored. In an evaluation that is after the arms before it have ended.
    """

    runs: Path = attrs.field(converter=Path)
    """A run's folder, or one that holds runs, such as an evaluation's."""

    reads_energy: ClassVar[bool] = False

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        """``1 / (1 + tactics to the end of the proof)``, or what :class:`LengthNormalisedLogProb` says, at most 0.

        Raises:
            ConfigError: there is no run.
            TrajectoryError: one cannot be read.
        """
        others = await LengthNormalisedLogProb().score(leaves)
        remaining = [self._remaining.get((leaf.theorem.display, leaf.state.key)) for leaf in leaves]
        return [other if left is None else 1.0 / (1.0 + left) for left, other in zip(remaining, others, strict=True)]

    @cached_property
    def _remaining(self) -> Mapping[tuple[str, str], int]:
        """Tactics to the end of a known proof, by theorem and state."""
        found: dict[tuple[str, str], int] = {}
        for folder in self._folders():
            for row in read_trajectory(folder).rows():
                if row.on_proof_path:
                    place = row.statement, row.state_key
                    found[place] = min(row.remaining_depth, found.get(place, row.remaining_depth))
        return found

    def check_ready(self) -> None:
        """See that there is a run to know proofs from.

        Raises:
            ConfigError: there is none.
        """
        self._folders()

    def _folders(self) -> Sequence[Path]:
        if not (folders := runs_in(self.runs)):
            raise ConfigError(f"the oracle knows no proof: there is no run in {self.runs} yet")
        return folders
