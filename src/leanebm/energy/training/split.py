"""Training and validation that share neither a module, nor a theorem, nor a state."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup
from leanebm.energy.training.contrastive_data import tidy_groups
from leanebm.errors import EnergyError


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
    """Groups of the same step as another."""

    dual_labels: int
    """Negatives dropped because a proof of the same theorem goes through them."""

    leaked_groups: int
    """Training groups dropped because their theorem, parent or positive occurs in validation."""

    leaked_negatives: int
    """Training negatives dropped because they occur in validation; those of dropped groups not counted."""


@attrs.frozen(kw_only=True)
class GroupSplit:
    """Two sides of one set of groups."""

    training: tuple[ContrastiveGroup, ...]
    validation: tuple[ContrastiveGroup, ...]
    summary: SplitSummary

    __repr__ = fitting_repr


def split_groups(groups: Iterable[ContrastiveGroup], *, validation_fraction: float = 0.15, seed: int = 0) -> GroupSplit:
    """Divide groups by family, and hold the two sides apart as :func:`hold_apart` does.

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
    everything = tuple(groups)
    held_out = _held_out_families(everything, validation_fraction, seed)
    return hold_apart(
        (group for group in everything if group.family not in held_out),
        (group for group in everything if group.family in held_out),
    )


def hold_apart(training: Iterable[ContrastiveGroup], validation: Iterable[ContrastiveGroup]) -> GroupSplit:
    """Remove from training every theorem and every state that validation knows, be it by its key or by its text.

    States of different keys may be printed alike, and a head sees no more of them than their text.

    Args:
        training: any groups; they are made tidy first (:func:`~leanebm.energy.training.tidy_groups`).
        validation: the same.

    Raises:
        EnergyError: validation is empty, or nothing is left to train on.
    """
    tidy, held_out = tidy_groups(training), tidy_groups(validation)
    if not held_out.groups:
        raise EnergyError("there are no validation groups, so no accuracy could be measured")
    known = {mark for group in held_out.groups for mark in (*_marks_of_step(group), *_marks_of_negatives(group))}
    theorems = {group.theorem for group in held_out.groups}
    candidates = [group for group in tidy.groups if group.theorem not in theorems]
    # A parent in common would put two siblings of one decision point on different sides.
    kept = [group for group in candidates if known.isdisjoint(_marks_of_step(group))]
    if not kept:
        raise EnergyError(
            f"each of the {len(tidy.groups)} training groups shares its theorem or a state with validation, so none "
            "is left to train on. Give more theorems, or theorems of other modules."
        )
    apart = tuple(_without(group, known) for group in kept)
    return GroupSplit(
        training=apart,
        validation=held_out.groups,
        summary=SplitSummary(
            training=SideSummary.of(apart),
            validation=SideSummary.of(held_out.groups),
            merged_groups=tidy.merged + held_out.merged,
            dual_labels=tidy.dual_labels + held_out.dual_labels,
            leaked_groups=len(tidy.groups) - len(kept),
            leaked_negatives=SideSummary.of(kept).negatives - SideSummary.of(apart).negatives,
        ),
    )


def _held_out_families(groups: Iterable[ContrastiveGroup], fraction: float, seed: int) -> set[str]:
    ranked = sorted({group.family for group in groups}, key=lambda family: _position(family, seed))
    if len(ranked) < 2:
        found = f"only one family ({ranked[0]!r})" if ranked else "no group"
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
    return attrs.evolve(group, negatives=tuple(one for one in group.negatives if known.isdisjoint((one.key, one.text))))


def _marks_of_step(group: ContrastiveGroup) -> tuple[str, ...]:
    return group.parent_key, group.parent_text, group.positive_key, group.positive_text


def _marks_of_negatives(group: ContrastiveGroup) -> Iterator[str]:
    return (mark for negative in group.negatives for mark in (negative.key, negative.text))
