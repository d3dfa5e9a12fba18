"""What all rounds so far have found: each theorem's shortest proof, and the decision points along it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Self

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, Evidence, NegativeState
from leanebm.data import (
    CONTRASTIVE_FORMAT,
    ContrastiveRecord,
    KnownProof,
    ReplayOutcome,
    read_contrastive_set,
    write_tactic_pairs,
)
from leanebm.energy.training import tidy_groups
from leanebm.pipeline.contrastive.certified_proofs import certified_proofs
from leanebm.pipeline.contrastive.folder import ContrastiveFolder
from leanebm.pipeline.contrastive.trajectory import read_search_groups
from leanebm.pipeline.iteration.manifest import digest_of
from leanebm.storage import RunInfo, ShardWriter
from leanebm.trajectory import read_trajectory

PROOFS_NAME = "proofs.jsonl"
"""In an aggregate's folder: the shortest proofs as tactic pairs, for a policy to learn from."""

_StatesOf = defaultdict[str, set[str]]


@attrs.frozen(kw_only=True)
class Aggregate:
    """What rounds of search have found, without repetitions and contradictions."""

    proofs: tuple[KnownProof, ...]
    """The shortest proof of each theorem, ordered by the theorems' names."""

    groups: tuple[ContrastiveGroup, ...]
    """The decision points along these proofs, of all rounds; each is there once."""

    __repr__ = fitting_repr

    @classmethod
    def gather(
        cls,
        searches: Sequence[str | os.PathLike[str]],
        negatives: Mapping[int, str | os.PathLike[str]] | None = None,
        *,
        min_steps: int = 2,
    ) -> Self:
        """Read what rounds of search left behind.

        Args:
            searches: each round's search folder, the first round's first.
            negatives: folders that ``generate-negatives`` wrote for proofs of these rounds, by round.
            min_steps: decision points come from proofs of at least so many steps.

        Raises:
            TrajectoryError: a folder is none of these, or is damaged.
        """
        proofs = shortest_proofs(searches)
        tactics = {proof.theorem.name: proof.tactics for proof in proofs if proof.num_steps >= min_steps}
        kept: list[ContrastiveGroup] = []
        others: list[ContrastiveGroup] = []
        for number, folder in enumerate(searches):
            records = read_trajectory(folder).records
            proved = {each.theorem.name: each.certificate.tactics for each in records if each.certificate is not None}
            groups = [*read_search_groups(folder, round_=number), *_replayed(negatives, number)]
            for group in groups:
                is_shortest = proved.get(group.theorem) == tactics.get(group.theorem, ())
                (kept if is_shortest else others).append(group)
        return cls(proofs=proofs, groups=settle(kept, others))

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all of it."""
        proofs = [[proof.theorem.name, proof.tactics] for proof in self.proofs]
        return digest_of([proofs, digest_of_groups(self.groups)])

    def counts(self) -> dict[str, int]:
        """How much of each there is."""
        negatives = [negative for group in self.groups for negative in group.negatives]
        return {
            "proofs": len(self.proofs),
            "one_tactic_proofs": sum(proof.num_steps == 1 for proof in self.proofs),
            "groups": len(self.groups),
            "groups_with_negatives": sum(bool(group.negatives) for group in self.groups),
            "negatives": len(negatives),
            "dead": sum(negative.evidence is Evidence.DEAD for negative in negatives),
        }

    def for_policy(self, one_tactic_share: float) -> tuple[KnownProof, ...]:
        """The proofs a policy is to learn from: all longer ones, and that share of those of one tactic."""
        return tuple(
            proof for proof in self.proofs if proof.num_steps > 1 or _scatter(proof.theorem.name) < one_tactic_share
        )

    async def write(self, folder: str | os.PathLike[str], *, one_tactic_share: float = 1.0) -> None:
        """Write ``groups`` as ``train-ebm --negatives`` takes them, and ``proofs.jsonl``; neither if it would be empty.

        Raises:
            OSError: the folder cannot be written to.
        """
        folder = Path(folder)
        if proofs := self.for_policy(one_tactic_share):
            folder.mkdir(parents=True, exist_ok=True)
            write_tactic_pairs(folder / PROOFS_NAME, [pair for proof in proofs for pair in proof.pairs])
        by_theorem: dict[str, list[ContrastiveGroup]] = {}
        for group in self.groups:
            by_theorem.setdefault(group.theorem, []).append(group)
        if not by_theorem:
            return
        proof_of = {proof.theorem.name: proof for proof in self.proofs}
        run = RunInfo(
            run_id="aggregate",
            started_unix_s=time.time(),
            seed=0,
            backend="none",
            lean_version="none",
            leanebm_version=version("leanebm"),
            config={},
        )
        async with ShardWriter(ContrastiveFolder(folder).groups, CONTRASTIVE_FORMAT, run=run) as writer:
            done = writer.completed()
            waiting = {name: groups for name, groups in by_theorem.items() if name not in done}
            await asyncio.gather(
                *(writer.hand_over(_record(proof_of[name], groups, run), groups) for name, groups in waiting.items())
            )


def shortest_proofs(searches: Sequence[str | os.PathLike[str]]) -> tuple[KnownProof, ...]:
    """Each theorem's shortest certified proof, ordered by name; of equally short ones, the first round's.

    Raises:
        TrajectoryError: a folder holds no search.
    """
    proofs = certified_proofs(searches) if searches else ()
    return tuple(sorted(proofs, key=lambda proof: proof.theorem.name))


def digest_of_groups(groups: Iterable[ContrastiveGroup]) -> str:
    """SHA-256, in hexadecimal, of groups in whatever order they come."""
    return digest_of([attrs.asdict(group) for group in sorted(groups, key=_order)])


def digest_of_proofs(folder: str | os.PathLike[str]) -> str:
    """SHA-256, in hexadecimal, of the file of proofs that an aggregate wrote; a word where it wrote none."""
    path = Path(folder) / PROOFS_NAME
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "none"


def settle(kept: Iterable[ContrastiveGroup], others: Iterable[ContrastiveGroup] = ()) -> tuple[ContrastiveGroup, ...]:
    """``kept`` without repetitions, in one order whatever order they came in, and with one label per state.

    What some proof of a theorem goes through is no negative of that theorem anywhere, also where the proof is one of
    ``others``; and what one group does not know to be dead is not dead in another.

    Args:
        kept: groups to learn from.
        others: groups that only their labels are taken from.
    """
    kept, others = sorted(kept, key=_order), tuple(others)
    positive, unknown = _StatesOf(set), _StatesOf(set)
    for group in (*kept, *others):
        positive[group.theorem] |= {group.parent_key, group.positive_key}
        unknown[group.theorem] |= {each.key for each in group.negatives if each.evidence is Evidence.UNKNOWN}

    def settled(negative: NegativeState, theorem: str) -> NegativeState:
        is_unknown = negative.key in unknown[theorem]
        return attrs.evolve(negative, evidence=Evidence.UNKNOWN) if is_unknown else negative

    return tidy_groups(
        attrs.evolve(
            group,
            negatives=tuple(
                settled(negative, group.theorem)
                for negative in group.negatives
                if negative.key not in positive[group.theorem]
            ),
        )
        for group in kept
    ).groups


def _replayed(negatives: Mapping[int, str | os.PathLike[str]] | None, number: int) -> tuple[ContrastiveGroup, ...]:
    if negatives is None or number not in negatives:
        return ()
    return tuple(read_contrastive_set(ContrastiveFolder.groups_in(negatives[number])).rows())


def _order(group: ContrastiveGroup) -> tuple[object, ...]:
    step = (group.theorem, group.depth, group.parent_key, group.positive_key)
    return (*step, group.round, group.source, digest_of(attrs.asdict(group)))


def _scatter(name: str) -> float:
    """Where a name falls in [0, 1)."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") / 2**48


def _record(proof: KnownProof, groups: Sequence[ContrastiveGroup], run: RunInfo) -> ContrastiveRecord:
    return ContrastiveRecord(
        theorem=proof.theorem,
        module=proof.module,
        run_id=run.run_id,
        outcome=ReplayOutcome.VERIFIED,
        num_steps=proof.num_steps,
        num_groups=len(groups),
    )
