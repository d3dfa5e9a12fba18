"""Contradictions and repetitions among contrastive groups, settled before anything learns from them.

Groups come from several rounds, from replays and from searches, so the same decision point may be told
more than once, and a state that one proof leaves aside may be a step of another proof of the same theorem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from leanebm.core import ContrastiveGroup, Evidence, NegativeState

__all__ = ["TidyGroups", "tidy_groups"]


@attrs.frozen(kw_only=True)
class TidyGroups:
    """Groups without contradictions, and how much had to be settled."""

    groups: tuple[ContrastiveGroup, ...]
    """One for each step of each theorem, in the order in which they were first met."""

    merged: int
    """Groups that told of a step that another group had told of before."""

    dual_labels: int
    """Negatives dropped because some proof of the same theorem goes through them."""


def tidy_groups(groups: Iterable[ContrastiveGroup]) -> TidyGroups:
    """Merge groups that speak of the same step, and drop negatives that are on the path after all.

    What makes two states equal is their key. A merged group has the negatives of all, the smallest
    remaining depth, and calls a negative dead only if all call it so: *positive* outweighs *unknown*,
    and *unknown* outweighs *dead*.
    """
    by_step: dict[tuple[str, str, str], list[ContrastiveGroup]] = {}
    on_path: dict[str, set[str]] = {}
    for group in groups:
        by_step.setdefault((group.theorem, group.parent_key, group.positive_key), []).append(group)
        on_path.setdefault(group.theorem, set()).update((group.parent_key, group.positive_key))
    merged = [_merge(same) for same in by_step.values()]
    tidy = tuple(_without(group, on_path[group.theorem]) for group in merged)
    return TidyGroups(
        groups=tidy,
        merged=sum(len(same) - 1 for same in by_step.values()),
        dual_labels=_count_negatives(merged) - _count_negatives(tidy),
    )


def _merge(same: Sequence[ContrastiveGroup]) -> ContrastiveGroup:
    negatives: dict[str, NegativeState] = {}
    for negative in (negative for group in same for negative in group.negatives):
        known = negatives.setdefault(negative.key, negative)
        if negative.evidence is Evidence.UNKNOWN and known.evidence is Evidence.DEAD:
            negatives[negative.key] = attrs.evolve(known, evidence=Evidence.UNKNOWN)
    return attrs.evolve(
        same[0],
        negatives=tuple(negatives.values()),
        depth=min(group.depth for group in same),
        remaining_depth=min(group.remaining_depth for group in same),
    )


def _without(group: ContrastiveGroup, keys: set[str]) -> ContrastiveGroup:
    return attrs.evolve(group, negatives=tuple(one for one in group.negatives if one.key not in keys))


def _count_negatives(groups: Iterable[ContrastiveGroup]) -> int:
    return sum(len(group.negatives) for group in groups)
