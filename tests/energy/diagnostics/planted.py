"""Heads whose worth is known, because their energies are drawn and not learnt."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from leanebm.core import ContrastiveGroup, Evidence, NegativeState
from leanebm.energy.diagnostics import (
    Estimate,
    FrontierSet,
    HeadReport,
    SiblingSet,
    TrainingFacts,
    diagnose,
    probe_embeddings,
    sibling_pairwise,
    state_shape,
)

THEOREMS = 60
GAP = 1.5
"""Distance of off-path energies, in standard deviations: pairwise accuracy is Φ(1.5/√2) = 0.856."""


def state(name: str, characters: int) -> str:
    """A printed state of about that length."""
    return f"a b : Nat\nh : a = b\n⊢ {name} = {'x' * max(characters - len(name) - 30, 1)}"


def planted_groups(*, theorems: int = THEOREMS, longer: int = 0, seed: int = 0) -> tuple[ContrastiveGroup, ...]:
    """Proofs of 3 to 9 steps; off-path states are ``longer`` characters longer on average."""
    rng = np.random.default_rng(seed)
    return tuple(
        _group(rng, f"t{index}", step, steps, longer)
        for index in range(theorems)
        for steps in [int(rng.integers(3, 10))]
        for step in range(steps)
    )


def _group(rng: np.random.Generator, theorem: str, step: int, steps: int, longer: int) -> ContrastiveGroup:
    name, length = f"{theorem}.{step}", int(rng.integers(60, 400))
    negatives = tuple(
        NegativeState(
            text=state(f"{name}.{choice}", length + longer + int(rng.integers(-15, 15))),
            key=f"{name}.{choice}",
            tactic=f"simp {choice}",
            log_prob=-abs(float(rng.normal(-2.5, 1.0))),
            evidence=Evidence.DEAD if rng.random() < 0.3 else Evidence.UNKNOWN,
        )
        for choice in range(int(rng.integers(1, 7)))
    )
    return ContrastiveGroup(
        theorem=theorem,
        parent_text=f"⊢ {name}",
        parent_key=name,
        positive_text=state(f"{name}.on", length),
        positive_key=f"{name}.on",
        positive_tactic="exact h",
        positive_log_prob=-abs(float(rng.normal(-2.0, 1.0))),
        negatives=negatives,
        depth=step,
        remaining_depth=steps - step,
        source="replay" if rng.random() < 0.5 else "search",
    )


def planted_energies(groups: Sequence[ContrastiveGroup], *, gap: float = GAP, seed: int = 1) -> dict[str, float]:
    """Energies with unit noise that fall towards a proof's end, ``gap`` higher off the path; ``gap=0`` is noise."""
    rng = np.random.default_rng(seed)
    progress = 0.3 if gap > 0 else 0.0
    energy = {}
    for group in groups:
        level = progress * group.remaining_depth
        energy[group.positive_text] = level + rng.normal()
        energy.update({negative.text: level + gap + rng.normal() for negative in group.negatives})
    return energy


def planted_frontiers(*, gap: float = GAP, theorems: int = THEOREMS, seed: int = 2) -> FrontierSet:
    """Queues of 4 to 40 nodes, one of them on the path; the policy knows a little."""
    rng = np.random.default_rng(seed)
    queues: list[str] = []
    nodes: list[list[tuple[float, float, int, bool, tuple[float, float, float]]]] = []

    def node(depth: int, *, on_path: bool) -> tuple[float, float, int, bool, tuple[float, float, float]]:
        depth = max(1, depth + (0 if on_path else int(rng.integers(-2, 3))))
        mean = rng.normal(-2.0 if on_path else -2.8, 0.8)
        energy = float(rng.normal(0.0 if on_path else gap))
        log_prob = float(min(mean, -0.01) * math.sqrt(depth))
        return energy, log_prob, depth, on_path, state_shape(state("s", int(rng.integers(60, 400))))

    for index in range(theorems):
        for depth in range(1, int(rng.integers(3, 9))):
            queues.append(f"t{index}")
            on = node(depth, on_path=True)
            nodes.append([on, *(node(depth, on_path=False) for _ in range(int(rng.integers(3, 40))))])
    energy, log_prob, depths, on_path, shape = zip(*(each for queue in nodes for each in queue), strict=True)
    return FrontierSet(
        theorem=queues,
        size=[len(queue) for queue in nodes],
        energy=energy,
        path_log_prob=log_prob,
        depth=depths,
        is_on_path=on_path,
        shape=shape,
    )


def planted_embeddings(*, count: int = 400, width: int = 64, directions: int = 64) -> dict[str, Estimate]:
    """Vectors that vary along ``directions`` of their ``width``, encoded twice alike."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(count, directions)) @ rng.normal(size=(directions, width)) + 0.5
    return probe_embeddings(table, before=table[:64], again=table[:64] * (1 + 1e-6))


Examined = tuple[HeadReport, SiblingSet, FrontierSet]


def examine(*, gap: float = GAP, theorems: int = THEOREMS, longer: int = 0) -> Examined:
    """Diagnose a planted head with everything that can be known of it."""
    groups = planted_groups(theorems=theorems, longer=longer)
    twin = SiblingSet.from_groups(groups, planted_energies(groups, gap=0.0, seed=9))
    siblings = SiblingSet.from_groups(groups, planted_energies(groups, gap=gap))
    frontiers = planted_frontiers(gap=gap, theorems=theorems)
    report = diagnose(
        siblings,
        frontiers=frontiers,
        twin=sibling_pairwise(twin.positive_energy, twin.negative_energy, twin.mask, twin.theorem),
        embeddings=planted_embeddings(),
        facts=TrainingFacts(
            steps=5000,
            skipped_steps=0,
            log_scale=0.2,
            train_pairwise=0.5 + gap / 4,
            sigma_shortfall=0.03,
            audited_negatives=50,
            provable_negatives=2,
        ),
        data={"training_theorems": 2 * theorems, "validation_theorems": theorems, "training_families": 3},
        about={"encoder": "planted"},
    )
    return report, siblings, frontiers
