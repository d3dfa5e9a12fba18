"""Data whose answer is known: a direction hidden in random vectors says which step leads on.

A trainer that cannot find it is broken, and a twin that finds anything has seen the labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import attrs
import numpy as np
from attrs.validators import ge, instance_of
from numpy.typing import NDArray

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, NegativeState
from leanebm.energy.training.contrastive_data import ContrastiveData, TheoremPaths


@attrs.frozen(kw_only=True)
class PlantedConfig:
    """How much data is planted, and how deep."""

    num_theorems: int = attrs.field(default=1000, validator=[instance_of(int), ge(2)])
    """Theorems, each a family of its own, at least 2."""

    steps: int = attrs.field(default=5, validator=[instance_of(int), ge(1)])
    """Decision points per theorem, at least 1."""

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

    __repr__ = fitting_repr

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


def shuffle_roles(data: ContrastiveData, *, seed: int = 0) -> ContrastiveData:
    r"""``data`` with the roles at each decision point drawn by lot; its embeddings are shared, not copied.

    The *twin* is a second head, trained like the first on data whose labels mean nothing. Every state gets a
    lot, a hash of its text and a seed. At each decision point the state of the lowest lot takes the role of the
    positive, and the true positive takes the place that this one leaves; the sizes of groups, the weights at each
    place and the numbers of depth stay where they were.

    What the twin is *read* on decides what it can tell:

    *Own roles:* validation, with roles by the same lots. No matter what the energies are, a positive drawn by
    lot beats on average half of its siblings, so this is 0.50 in expectation for an honest pipeline: for any loss,
    any auxiliary term, any network. But as a state has the same lot everywhere, a twin that has *seen* validation
    states learns their lots by heart and rises above 0.50. So does an accuracy that counts ties as wins. This is
    the figure that the promotion gate looks at.

    *True roles:* validation as it is. It cannot see a leak, because lots learnt by heart say nothing of true
    roles. Nor need it be 0.50: remaining depths may teach something of siblings, and whatever direction a twin
    happens to learn from its lots has a chance cosine with the true one, some :math:`1/\sqrt D`, which moves this
    figure by far more than its standard error. It is recorded to be looked at, and nothing rests on it.

    Args:
        data: training or validation.
        seed: of the lots. One for both sides: a state must have one lot.
    """
    lots = _lots(data.texts, seed)
    positive, negative = data.positive.copy(), data.negative.copy()
    padded, mask = data.siblings
    sibling_lots = np.where(mask, lots[padded], np.inf)
    chosen = sibling_lots.argmin(axis=1)
    group = np.flatnonzero(sibling_lots[np.arange(len(data)), chosen] < lots[data.positive])
    place = data.negative_start[group] + chosen[group]
    positive[group], negative[place] = data.negative[place], data.positive[group]
    return attrs.evolve(data, positive=positive, negative=negative, paths=_paths(data, positive))


def _lots(texts: Sequence[str], seed: int) -> NDArray[np.float64]:
    digests = (hashlib.blake2b(f"{seed}\0{text}".encode(), digest_size=8).digest() for text in texts)
    return np.fromiter((int.from_bytes(digest, "big") / 2**64 for digest in digests), dtype=np.float64)


def _paths(data: ContrastiveData, positive: NDArray[np.int64]) -> TheoremPaths:
    """Paths through the drawn positives.

    A parent belongs to them only if it is a candidate nowhere: the parent of one decision point is the
    true positive of the one before, so keeping it would show the twin what the lots are to hide.
    """
    true_positives = set(zip(data.theorem.tolist(), data.positive.tolist(), strict=True))
    parents = zip(data.theorem.tolist(), data.parent.tolist(), strict=True)
    is_start = np.array([parent not in true_positives for parent in parents])
    return TheoremPaths.of(
        theorem=np.concatenate([data.theorem, data.theorem[is_start]]),
        state=np.concatenate([positive, data.parent[is_start]]),
        remaining_depth=np.concatenate([data.remaining_depth, data.remaining_depth[is_start] + 1]),
        num_theorems=len(data.theorems),
    )
