"""Data whose answer is known: a direction hidden in random vectors says which step leads on.

A trainer that cannot find it is broken, and a twin that finds anything is being told the labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from attrs.validators import ge, instance_of
from numpy.typing import NDArray

from leanebm.core import ContrastiveGroup, NegativeState

__all__ = ["PlantedConfig", "PlantedData", "planted_groups"]


@attrs.frozen(kw_only=True)
class PlantedConfig:
    """How much data is planted, and how deep."""

    num_theorems: int = attrs.field(default=1000, validator=[instance_of(int), ge(2)])
    """Theorems, each a family of its own, at least 2."""

    steps: int = attrs.field(default=5, validator=[instance_of(int), ge(1)])
    """Decision points of a theorem, at least 1."""

    num_negatives: int = attrs.field(default=7, validator=[instance_of(int), ge(1)])
    """Siblings off the path at each decision point, at least 1."""

    width: int = attrs.field(default=64, validator=[instance_of(int), ge(2)])
    """Width of an embedding, at least 2."""

    seed: int = attrs.field(default=0, validator=[instance_of(int), ge(0)])
    """Of the direction and all vectors."""


@attrs.frozen(kw_only=True, eq=False)
class PlantedData:
    """Groups, their embeddings, and the direction that was hidden in them."""

    groups: tuple[ContrastiveGroup, ...]
    embeddings: dict[str, NDArray[np.float32]]
    """By state text."""

    direction: NDArray[np.float32]
    """``w``, of length 1, ``[D]``."""

    def energy(self, text: str) -> float:
        """The planted energy of a state, ``-w·z``."""
        return -float(self.direction @ self.embeddings[text])


def planted_groups(config: PlantedConfig | None = None) -> PlantedData:
    r"""Draw states ``z`` from a standard normal distribution, and let :math:`E = -w \cdot z` decide.

    At each decision point ``1 + num_negatives`` states are drawn, and the one of lowest energy leads on, so
    that the order of siblings can be told from ``z`` without error. Depth says nothing about ``z``.
    """
    config = PlantedConfig() if config is None else config
    rng = np.random.default_rng(config.seed)
    direction: NDArray[np.float32] = rng.standard_normal(config.width, dtype=np.float32)
    direction /= np.linalg.norm(direction)
    embeddings: dict[str, NDArray[np.float32]] = {}
    groups = [
        group for index in range(config.num_theorems) for group in _theorem(index, config, rng, embeddings, direction)
    ]
    return PlantedData(groups=tuple(groups), embeddings=embeddings, direction=direction)


def _theorem(
    index: int,
    config: PlantedConfig,
    rng: np.random.Generator,
    embeddings: dict[str, NDArray[np.float32]],
    direction: NDArray[np.float32],
) -> Iterator[ContrastiveGroup]:
    theorem = f"planted_{index}"
    parent = f"⊢ {theorem}"
    embeddings[parent] = rng.standard_normal(config.width, dtype=np.float32)
    for depth in range(config.steps):
        vectors = rng.standard_normal((1 + config.num_negatives, config.width), dtype=np.float32)
        texts = [f"⊢ {theorem}.{depth}.{choice}" for choice in range(len(vectors))]
        embeddings.update(zip(texts, vectors, strict=True))
        best = int((vectors @ direction).argmax())
        yield ContrastiveGroup(
            theorem=theorem,
            parent_text=parent,
            parent_key=parent,
            positive_text=texts[best],
            positive_key=texts[best],
            positive_tactic=f"step {best}",
            negatives=tuple(
                NegativeState(text=text, key=text, tactic=f"step {choice}", log_prob=-float(np.log(len(texts))))
                for choice, text in enumerate(texts)
                if choice != best
            ),
            depth=depth,
            remaining_depth=config.steps - depth,
            source="replay",
        )
        parent = texts[best]
