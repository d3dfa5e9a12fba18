"""Draws statements from families, never the same one twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final, final

import attrs

from leanebm._shown import named_repr
from leanebm.data.conjectures.conjecture import Conjecture, ConjectureFamily, ConjectureSplit
from leanebm.data.conjectures.families import FAMILIES, HELD_OUT
from leanebm.errors import ConfigError

DIFFICULTIES: Final = (1, 2, 3, 4)
"""The steps of the knob that are drawn in turn when nothing else is said."""

PER_SKELETON: Final = 3
"""Statements of one skeleton that are drawn when nothing else is said."""

_MAX_CHARACTERS: Final = 300
_MAX_BARREN: Final = 400
"""Draws in a row without a new statement after which a family is taken to have no more."""


@final
class ConjectureFactory:
    """A source of new statements, the same ones in the same order for the same seed.

    Which statement a family makes next depends on the seed and on how often that family was asked, not on the process
    or the platform; what another family has had already is passed over.

    Args:
        families: what to draw from; all that come with leanebm if not given.
        seed: of every draw.
        held_out: names of families all of whose statements are for the split ``unseen``.
        difficulties: the steps of the knob to draw in turn.
        per_skeleton: how many statements may have one skeleton.

    Raises:
        ConfigError: there is no family, two have the same name, or a difficulty is out of range, or no statement
            may have any skeleton.
    """

    def __init__(
        self,
        families: Iterable[ConjectureFamily] = tuple(FAMILIES.values()),
        *,
        seed: int = 0,
        held_out: Collection[str] = HELD_OUT,
        difficulties: Sequence[int] = DIFFICULTIES,
        per_skeleton: int = PER_SKELETON,
    ) -> None:
        families = tuple(families)
        self.seed = seed
        self.names = tuple(family.name for family in families)
        self.held_out = frozenset(held_out)
        self.difficulties = tuple(difficulties)
        self.per_skeleton = per_skeleton
        self._by_name = {family.name: family for family in families}
        self._draws: Counter[str] = Counter()
        self._seen: set[str] = set()
        self._skeletons: Counter[str] = Counter()
        self._splits: dict[str, ConjectureSplit] = {}
        if problems := list(self._problems()):
            raise ConfigError("no conjectures can be made with these settings", problems)

    __repr__ = named_repr("names", "seed")

    def _problems(self) -> Iterable[str]:
        if not self.names:
            yield "no family was given"
        if len(self._by_name) < len(self.names):
            yield f"two families share a name: {', '.join(self.names)}"
        if not self.difficulties or not set(self.difficulties) <= set(DIFFICULTIES):
            yield f"difficulties are {DIFFICULTIES[0]} to {DIFFICULTIES[-1]}, got {list(self.difficulties)}"
        if self.per_skeleton < 1:
            yield f"at least one statement must be allowed for each skeleton, not {self.per_skeleton}"

    def draw(self, family: str, number: int) -> tuple[Conjecture, ...]:
        """Up to ``number`` new statements of a family; fewer, or none, where it has no more."""
        drawn: list[Conjecture] = []
        barren = 0
        while len(drawn) < number and barren < _MAX_BARREN:
            conjecture = self._draw(self._by_name[family])
            barren = 0 if conjecture is not None else barren + 1
            if conjecture is not None:
                drawn.append(conjecture)
        return tuple(drawn)

    def _draw(self, family: ConjectureFamily) -> Conjecture | None:
        draw = self._draws[family.name]
        self._draws[family.name] += 1
        rng = random.Random(f"{self.seed} {family.name} {draw}")  # noqa: S311 - mathematics, not secrets
        conjecture = family.generate(rng, self.difficulties[draw % len(self.difficulties)])
        if conjecture is None or len(conjecture.statement) > _MAX_CHARACTERS or conjecture.statement in self._seen:
            return None
        if family.name in self.held_out:
            conjecture = attrs.evolve(conjecture, split=ConjectureSplit.UNSEEN)
        skeleton = conjecture.skeleton
        if (
            self._skeletons[skeleton] == self.per_skeleton
            or self._splits.setdefault(skeleton, conjecture.split) is not conjecture.split
        ):
            return None
        self._seen.add(conjecture.statement)
        self._skeletons[skeleton] += 1
        return conjecture
