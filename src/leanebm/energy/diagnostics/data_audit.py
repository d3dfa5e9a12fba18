"""What a head was trained or judged on, counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import attrs

from leanebm.core import ContrastiveGroup, Evidence
from leanebm.energy.diagnostics.estimate import Estimate

__all__ = ["DataAudit"]


@attrs.frozen(kw_only=True)
class DataAudit:
    """Counts of contrastive groups, and how often they contradict themselves."""

    groups: int
    """Decision points."""

    groups_with_negatives: int
    """Those that can be ranked at all."""

    negatives: int
    dead: int
    """Negatives that are known to be unprovable by what was tried; the rest may be provable."""

    theorems: int
    families: int
    """Modules (or single theorems) that a split keeps together."""

    replayed: int
    """Groups from replayed known proofs; the rest were found by search."""

    states: int
    """Distinct (theorem, state) pairs."""

    dual_label_rate: float
    """Share of them that occur both as a positive and as a negative."""

    @classmethod
    def of(cls, groups: Sequence[ContrastiveGroup]) -> Self:
        """Count ``groups``."""
        on_path = {(group.theorem, group.positive_key) for group in groups}
        off_path = {(group.theorem, negative.key) for group in groups for negative in group.negatives}
        states = len(on_path | off_path)
        return cls(
            groups=len(groups),
            groups_with_negatives=sum(bool(group.negatives) for group in groups),
            negatives=sum(len(group.negatives) for group in groups),
            dead=sum(negative.evidence is Evidence.DEAD for group in groups for negative in group.negatives),
            theorems=len({group.theorem for group in groups}),
            families=len({group.family for group in groups}),
            replayed=sum(group.source == "replay" for group in groups),
            states=states,
            dual_label_rate=len(on_path & off_path) / states if states else 0.0,
        )

    def metrics(self) -> Mapping[str, Estimate]:
        """The figures under the names that reports and alarms know them by."""
        return {"dual_label_rate": Estimate.plain(self.dual_label_rate, self.states)} if self.states else {}
