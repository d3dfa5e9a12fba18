"""Where statements are tried before anybody believes them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from leanebm.data.conjectures.expression import Expression, World, evaluate

_WORLDS_PER_BATCH: Final = 1024
_SIZES: Final = (0, 1, 2, 3, 4, 5)
_SIZES_WITH_FUNCTIONS: Final = (0, 1, 2, 2, 2, *(3,) * 6, *(4,) * 4, 5, 5)
"""Sizes of the domains tried; functions are the same in all worlds of a batch."""


def truth_table(atoms: Sequence[str]) -> World:
    """All ways in which the atoms can be true or false."""
    rows = 1 << len(atoms)
    masks = {atom: sum(1 << row for row in range(rows) if row >> place & 1) for place, atom in enumerate(atoms)}
    return World(values=masks, full=(1 << rows) - 1)


def random_models(params: Mapping[str, str], *, seed: int = 0) -> tuple[World, ...]:
    """Small models of first-order logic: some thousand ways to read predicates over each of a few domains ``α``.

    Args:
        params: the variables, of the types ``Prop``, ``α``, ``α → Prop``, ``α → α → Prop`` and ``α → α``. In the model
            without elements, those of type ``α`` have no value.
        seed: of the models.
    """
    rng = random.Random(f"models {seed} {sorted(params.items())}")  # noqa: S311 - mathematics, not secrets
    sizes = _SIZES_WITH_FUNCTIONS if "α → α" in params.values() else _SIZES
    return tuple(_model(rng, params, size) for size in sizes)


def _model(rng: random.Random, params: Mapping[str, str], size: int) -> World:
    full = (1 << _WORLDS_PER_BATCH) - 1
    domain = range(size)

    def truth() -> int:
        half = rng.getrandbits(_WORLDS_PER_BATCH)
        density = rng.randrange(3)  # a quarter, a half or three quarters of the worlds
        other = rng.getrandbits(_WORLDS_PER_BATCH)
        return (half & other, half, half | other)[density]

    values: dict[str, Any] = {}
    for name, type_ in params.items():
        match type_:
            case "Prop":
                values[name] = truth()
            case "α" if size:
                values[name] = rng.randrange(size)
            case "α → α":
                values[name] = _table([rng.randrange(size) for _ in domain])
            case "α → Prop":
                values[name] = _table([truth() for _ in domain])
            case "α → α → Prop":
                rows = [_table([truth() for _ in domain]) for _ in domain]
                values[name] = _curried(rows)
    return World(values=values, domains={"α": domain}, full=full)


def _table(values: Sequence[int]) -> Callable[[int], int]:
    return lambda x: values[x]


def _curried(rows: Sequence[Callable[[int], int]]) -> Callable[[int, int], int]:
    return lambda x, y: rows[x](y)


def is_tight(premises: Sequence[Expression], conclusion: Expression, worlds: Sequence[World]) -> bool:
    """Whether the conclusion follows in every world, does not without any one premise, and all can hold at once."""
    if not premises:
        return all(evaluate(conclusion, world) == world.full for world in worlds)
    needed = [False] * len(premises)
    can_hold = False
    for world in worlds:
        truths = [evaluate(premise, world) for premise in premises]
        failing = world.full & ~evaluate(conclusion, world)
        for place in range(len(truths)):
            others = world.full
            for other, truth in enumerate(truths):
                others &= truth if other != place else world.full
            if others & failing & truths[place]:
                return False
            needed[place] = needed[place] or bool(others & failing)
            can_hold = can_hold or bool(others & truths[place])
    return can_hold and all(needed)


def is_contingent(formula: Expression, worlds: Sequence[World]) -> bool:
    """Whether a closed formula holds in some world and fails in another."""
    truths = [(evaluate(formula, world), world.full) for world in worlds]
    return any(truth for truth, _ in truths) and any(truth != full for truth, full in truths)
