"""Turn the certified proofs of search runs into tactic pairs."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import attrs

from leanebm._shown import counted
from leanebm.core import Certificate, Theorem
from leanebm.data import KnownProof, library_modules
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.trajectory import Trajectory, read_trajectory

_log = logging.getLogger(__name__)


def certified_proofs(paths: Sequence[str | os.PathLike[str]]) -> tuple[KnownProof, ...]:
    """The certified proofs in search trees, a theorem's shortest one only.

    A proof that is a tree, as :class:`~leanebm.search.AndOrSearch` finds them, has no steps one after the other, and is
    left out; a warning says how many.

    Theorems are told apart by what they state. Where two that state different things have one name (``line_3`` of two
    files), the later one's name gets a suffix made from its statement.

    Args:
        paths: folders of runs, trajectories, or single shards of them.

    Returns:
        Proofs in the order in which their theorems were first proved.

    Raises:
        ConfigError: no path is given.
        TrajectoryError: a shard is damaged or of another version.
    """
    if not paths:
        raise ConfigError("there are no trajectories to take proofs from")
    shortest: dict[tuple[str, str], KnownProof] = {}
    for path in paths:
        for proof in _proofs(read_trajectory(path)):
            known = shortest.get(claim := _claim(proof.theorem))
            if known is None:
                shortest[claim] = proof
            elif _size(proof) < _size(known):
                shortest[claim] = attrs.evolve(proof, theorem=known.theorem)
    return tuple(_with_unique_names(_with_modules(shortest.values())))


def _proofs(trajectory: Trajectory) -> Iterator[KnownProof]:
    """Every certified proof, with the states that its search met on the way."""
    steps: dict[str, dict[int, str]] = {}
    for table in trajectory.tables():
        path = table.filter(table["on_proof_path"]).select(["theorem", "depth", "state_text"])
        for row in path.to_pylist():
            steps.setdefault(row["theorem"], {})[row["depth"]] = row["state_text"]
    trees = 0
    for record in trajectory.records:
        if record.certificate is None:
            continue
        if record.theorem.name in steps:
            yield _proof(record.certificate, steps[record.theorem.name], trajectory.path)
        else:
            trees += 1
    if trees:
        _log.warning(
            "%s: left out %s whose goals were proved separately: it is not one path of steps",
            trajectory.path,
            counted(trees, "certified proof"),
        )


def _proof(certificate: Certificate, states: dict[int, str], path: Path) -> KnownProof:
    depths = range(len(certificate.tactics))
    if missing := [depth for depth in depths if not states.get(depth)]:
        raise TrajectoryError(
            f"{path}: the certified proof of {certificate.theorem.name!r} has no row at depth {missing[0]}"
        )
    return KnownProof(
        theorem=certificate.theorem,
        tactics=certificate.tactics,
        states=tuple(states[depth] for depth in depths),
    )


def _claim(theorem: Theorem) -> tuple[str, str]:
    return theorem.preamble.strip(), theorem.display


def _size(proof: KnownProof) -> tuple[int, int]:
    return proof.num_steps, sum(map(len, proof.tactics))


def _with_modules(proofs: Iterable[KnownProof]) -> Iterator[KnownProof]:
    """Say of theorems of Lean's own library which module they are from."""
    for proof in proofs:
        name = proof.theorem.copy_from
        yield proof if name is None else attrs.evolve(proof, module=library_modules().get(name, ""))


def _with_unique_names(proofs: Iterable[KnownProof]) -> Iterator[KnownProof]:
    taken: set[str] = set()
    for proof in proofs:
        theorem = proof.theorem
        if theorem.name in taken:
            digest = hashlib.sha256("\n".join(_claim(theorem)).encode()).hexdigest()
            theorem = attrs.evolve(theorem, name=f"{theorem.name}_{digest[:8]}")
        taken.add(theorem.name)
        yield attrs.evolve(proof, theorem=theorem)
