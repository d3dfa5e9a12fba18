"""A proof that somebody found, as steps to be replayed."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from attrs.validators import min_len

from leanebm._shown import fitting_repr
from leanebm.core import Theorem
from leanebm.core.theorem_text import with_line_feeds
from leanebm.data.tactic_pairs import TacticPair, pairs_of


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(with_line_feeds, texts))


@attrs.frozen(kw_only=True)
class KnownProof:
    """A theorem, the tactics that are said to prove it, and the states they were run on.

    Raises:
        ValueError: there is no tactic, or there is not one state per tactic.
    """

    theorem: Theorem
    module: str = ""
    """The library module the theorem was taken from; empty if it is from no library."""

    tactics: tuple[str, ...] = attrs.field(validator=min_len(1), converter=_texts)
    states: tuple[str, ...] = attrs.field(converter=_texts)
    """What Lean printed before each of them."""

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if len(self.states) != len(self.tactics):
            raise ValueError(
                f"{self.theorem.name!r} has {len(self.tactics)} tactics, but states for {len(self.states)}"
            )

    @property
    def num_steps(self) -> int:
        """How many tactics the proof has."""
        return len(self.tactics)

    @property
    def pairs(self) -> tuple[TacticPair, ...]:
        """Its steps, in order."""
        return pairs_of(self.theorem, self.module, list(zip(self.states, self.tactics, strict=True)))


def proofs_of(pairs: Iterable[TacticPair]) -> tuple[KnownProof, ...]:
    """The proofs that pairs are the steps of, in the order in which theorems first appear.

    Each proof's steps must be there, all of them; in a file, :func:`~leanebm.data.read_tactic_pairs` has
    seen to that.
    """
    by_name: dict[str, list[TacticPair]] = {}
    for pair in pairs:
        by_name.setdefault(pair.theorem.name, []).append(pair)
    return tuple(_proof(sorted(steps, key=lambda pair: pair.step)) for steps in by_name.values())


def _proof(steps: list[TacticPair]) -> KnownProof:
    if [pair.step for pair in steps] != list(range(steps[0].num_steps)):
        raise ValueError(f"the proof of {steps[0].theorem.name!r} lacks steps, or has one twice")
    return KnownProof(
        theorem=steps[0].theorem,
        module=steps[0].module,
        tactics=tuple(pair.tactic for pair in steps),
        states=tuple(pair.state for pair in steps),
    )
