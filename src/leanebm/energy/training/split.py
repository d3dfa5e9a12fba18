"""Training and validation that share neither a module, nor a theorem, nor a state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import attrs

from leanebm.core import ContrastiveGroup
from leanebm.energy.training.tidy import tidy_groups
from leanebm.errors import EnergyError

__all__ = ["GroupSplit", "SideSummary", "SplitSummary", "split_groups"]


@attrs.frozen(kw_only=True)
class SideSummary:
    """How much one side holds."""

    families: int
    theorems: int
    groups: int
    negatives: int

    @classmethod
    def of(cls, groups: Sequence[ContrastiveGroup]) -> Self:
        """Count what is in ``groups``."""
        return cls(
            families=len({group.family for group in groups}),
            theorems=len({group.theorem for group in groups}),
            groups=len(groups),
            negatives=sum(len(group.negatives) for group in groups),
        )


@attrs.frozen(kw_only=True)
class SplitSummary:
    """How groups were divided, and what was dropped to keep the two sides apart."""

    training: SideSummary
    validation: SideSummary
    merged_groups: int
    """Groups that told of the same step as another."""

    dual_labels: int
    """Negatives dropped because a proof of the same theorem goes through them."""

    leaked_groups: int
    """Training groups dropped because their parent or positive occurs in validation."""

    leaked_negatives: int
    """Training negatives dropped because they occur in validation; those of dropped groups not counted."""


@attrs.frozen(kw_only=True)
class GroupSplit:
    """Two sides of one set of groups."""

    training: tuple[ContrastiveGroup, ...]
    validation: tuple[ContrastiveGroup, ...]
    summary: SplitSummary


def split_groups(groups: Iterable[ContrastiveGroup], *, validation_fraction: float = 0.15, seed: int = 0) -> GroupSplit:
    """Divide groups by family, and remove from training every state that validation knows.

    A family falls on a side by a hash of its name, so it stays there as later rounds add others. The
    family with the lowest hash is always validation and the one with the highest always training, so
    that neither side is empty however few there are.

    Args:
        groups: any groups; they are made tidy first (:func:`~leanebm.energy.training.tidy_groups`).
        validation_fraction: expected share of *families* held out, in (0, 1).
        seed: salts the hash; another seed is another division.

    Raises:
        EnergyError: there are fewer than two families, or nothing is left to train on.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise ValueError(f"validation_fraction must lie strictly between 0 and 1, not be {validation_fraction}")
    tidy = tidy_groups(groups)
    held_out = _held_out_families(tidy.groups, validation_fraction, seed)
    validation = tuple(group for group in tidy.groups if group.family in held_out)
    known = {key for group in validation for key in _keys(group)}
    candidates = [group for group in tidy.groups if group.family not in held_out]
    # A parent in common would put two siblings of one decision point on different sides.
    kept = [group for group in candidates if group.parent_key not in known and group.positive_key not in known]
    if not kept:
        raise EnergyError(
            f"every one of the {len(candidates)} training groups shares a state with validation, so nothing is left "
            "to train on. The theorems resemble one another too closely: give more of them, or of other modules."
        )
    training = tuple(_without(group, known) for group in kept)
    return GroupSplit(
        training=training,
        validation=validation,
        summary=SplitSummary(
            training=SideSummary.of(training),
            validation=SideSummary.of(validation),
            merged_groups=tidy.merged,
            dual_labels=tidy.dual_labels,
            leaked_groups=len(candidates) - len(kept),
            leaked_negatives=sum(len(group.negatives) for group in kept)
            - sum(len(group.negatives) for group in training),
        ),
    )


def _held_out_families(groups: Iterable[ContrastiveGroup], fraction: float, seed: int) -> set[str]:
    ranked = sorted({group.family for group in groups}, key=lambda family: _position(family, seed))
    if len(ranked) < 2:
        found = f"only one family ({ranked[0]!r})" if ranked else "no groups at all"
        raise EnergyError(
            f"there is {found}, so nothing can be held out to measure accuracy on. A family is a library module, or a "
            "theorem of one's own: give groups of at least two."
        )
    return {ranked[0], *(family for family in ranked[1:-1] if _position(family, seed) < fraction)}


def _position(family: str, seed: int) -> float:
    """Where the family falls in [0, 1), independent of all others."""
    digest = hashlib.sha256(f"{seed}\0{family}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _without(group: ContrastiveGroup, known: set[str]) -> ContrastiveGroup:
    return attrs.evolve(group, negatives=tuple(one for one in group.negatives if one.key not in known))


def _keys(group: ContrastiveGroup) -> Iterator[str]:
    yield group.parent_key
    yield group.positive_key
    yield from (negative.key for negative in group.negatives)
