"""Groups, made of names instead of proof states, and trainings small enough for a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from leanebm.core import ContrastiveGroup, EncoderIdentity, Evidence, NegativeState
from leanebm.energy.training import ContrastiveData, PlantedConfig, planted_groups, split_groups, state_texts

MakeGroup = Callable[..., ContrastiveGroup]


@pytest.fixture(scope="session")
def make_group() -> MakeGroup:
    """A group from names of states; ``dead`` are negatives known to be dead."""

    def make(
        parent: str = "root",
        positive: str = "next",
        negatives: Iterable[str] = (),
        dead: Iterable[str] = (),
        *,
        theorem: str = "thm",
        module: str = "",
        depth: int = 0,
        remaining_depth: int = 1,
    ) -> ContrastiveGroup:
        states = [*((name, Evidence.UNKNOWN) for name in negatives), *((name, Evidence.DEAD) for name in dead)]
        return ContrastiveGroup(
            theorem=theorem,
            module=module,
            parent_text=parent,
            parent_key=parent,
            positive_text=positive,
            positive_key=positive,
            positive_tactic="step",
            negatives=tuple(
                NegativeState(text=name, key=name, tactic=f"to {name}", log_prob=-1.0, evidence=evidence)
                for name, evidence in states
            ),
            depth=depth,
            remaining_depth=remaining_depth,
            source="replay",
        )

    return make


@pytest.fixture(scope="session")
def embed() -> Callable[..., dict[str, NDArray[np.float32]]]:
    """Random embeddings of all states of some groups."""

    def make(groups: Iterable[ContrastiveGroup], width: int = 4) -> dict[str, NDArray[np.float32]]:
        rng = np.random.default_rng(0)
        return {text: rng.standard_normal(width, dtype=np.float32) for text in state_texts(groups)}

    return make


@pytest.fixture(scope="session")
def planted() -> tuple[ContrastiveData, ContrastiveData]:
    """Planted training and validation data, 16 wide."""
    data = planted_groups(PlantedConfig(num_theorems=60, width=16))
    split = split_groups(data.groups, validation_fraction=0.25)
    sides = (ContrastiveData.from_groups(side, data.embeddings) for side in (split.training, split.validation))
    training, validation = sides
    return training, validation


@pytest.fixture(scope="session")
def encoder() -> EncoderIdentity:
    """Whoever made the planted embeddings."""
    return EncoderIdentity(model="planted", pooling="mean", is_normalized=False, dim=16)
