"""Parquet files: trajectories, contrastive groups and library theorems."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from fuzz.target import Target, refusals, scratch_folder, written
from leanebm.core import Certificate, ContrastiveGroup, NegativeState, NodeStatus, SearchOutcome, TacticFate, Theorem
from leanebm.data import (
    CONTRASTIVE_FORMAT,
    ContrastiveRecord,
    LibraryTheorem,
    ReplayOutcome,
    read_contrastive_set,
    read_library_file,
    write_library_file,
)
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, Shard
from leanebm.trajectory import Attempt, TheoremRecord, TrajectoryRow, read_trajectory
from leanebm.trajectory.schema import TRAJECTORY_FORMAT

__all__ = ["TARGETS", "fuzz_parquet", "fuzz_shard_metadata"]

_RUN = RunInfo(
    run_id="r", started_unix_s=1.5, seed=0, backend="toy", lean_version="toy", leanebm_version="0", config={"n": 1}
)


def fuzz_parquet(data: bytes) -> None:
    """A Parquet file that was cut, flipped or made by somebody else: rows, or an error that names the file."""
    path = scratch_folder() / "part-000000.parquet"
    path.write_bytes(data)
    _read_shard(path)
    with refusals(ConfigError, naming=str(path)):
        read_library_file(path)


def fuzz_shard_metadata(data: bytes) -> None:
    """A good table with damaged JSON beside it."""
    path = scratch_folder() / "part-000001.parquet"
    table = _trajectory_table()
    is_run, text = data[:1] < b"\x80", data[1:]
    changed = {(b"leanebm.run" if is_run else b"leanebm.theorems"): text}
    pq.write_table(table.replace_schema_metadata({**table.schema.metadata, **changed}), path)
    _read_shard(path)


def _read_shard(path: Path) -> None:
    with refusals(ConfigError, TrajectoryError, naming=str(path)):
        trajectory = read_trajectory(path)
        written([list(trajectory.rows()), trajectory.records, [run.differences(_RUN) for run in trajectory.runs]])
    with refusals(ConfigError, TrajectoryError, naming=str(path)):
        groups = read_contrastive_set(path)
        written([list(groups.rows()), groups.records])


@cache
def _trajectory_table():  # type: ignore[no-untyped-def] # pyarrow has no types
    return pq.read_table(_trajectory_file())


def _trajectory_file() -> Path:
    theorem = Theorem(name="t", statement="∀ n : Nat, n = n")
    certificate = Certificate(
        theorem=theorem, source="theorem t : ∀ n : Nat, n = n := by\n  simp\n", tactics=("simp",), statement="s",
        fingerprint="f", axioms=(), constants=("Eq",), lean_version="4", backend="toy", imports=("Init",),
    )  # fmt: skip
    record = TheoremRecord(
        theorem=theorem, run_id="r", outcome=SearchOutcome.PROVED, certificate=certificate, started_unix_s=1.5, nodes=2,
        expansions=1, tactic_calls=1, wall_s=0.5,
    )  # fmt: skip
    rows = [
        TrajectoryRow(
            run_id="r", theorem="t", statement="∀ n : Nat, n = n", node=node, parent=node - 1,
            outcome=SearchOutcome.PROVED, status=NodeStatus.PROVED,
            state_key=f"k{node}", state_text="⊢ ∀ n : Nat, n = n", num_goals=1, tactic="simp" if node else None,
            log_prob=-0.5, path_log_prob=-0.5, priority=None, depth=node, remaining_depth=1 - node, on_proof_path=True,
            started_unix_s=1.5, found_s=0.5, tactic_s=0.25, worker_epoch=1, backend="toy", seed=0,
            attempts=(Attempt(tactic="simp", log_prob=-0.5, kind=TacticFate.ADVANCED, target=1, message="m"),),
        )
        for node in range(2)
    ]  # fmt: skip
    path = scratch_folder() / "seed-trajectory.parquet"
    Shard.write(path, TRAJECTORY_FORMAT, _RUN, [record], rows)
    return path


def _contrastive_file() -> Path:
    record = ContrastiveRecord(
        theorem=Theorem(name="t", statement="True"),
        run_id="r",
        outcome=ReplayOutcome.VERIFIED,
        num_steps=2,
        fates={TacticFate.KEPT: 3},
    )
    group = ContrastiveGroup(
        theorem="t", parent_text="⊢ p", parent_key="k", positive_text="⊢ q", positive_key="l", positive_tactic="simp",
        positive_log_prob=-0.5, depth=0, remaining_depth=1, source="replay",
        negatives=(NegativeState(text="⊢ r", key="m", tactic="intro", log_prob=-1.5),),
    )  # fmt: skip
    path = scratch_folder() / "seed-contrastive.parquet"
    Shard.write(path, CONTRASTIVE_FORMAT, _RUN, [record], [group])
    return path


def _library_file() -> Path:
    path = scratch_folder() / "seed-library.parquet"
    write_library_file(path, [LibraryTheorem(name="Nat.x", statement="True", module="Init.Core", fingerprint="1")])
    return path


def _parquet_seeds() -> Sequence[bytes]:
    return [path.read_bytes() for path in (_trajectory_file(), _contrastive_file(), _library_file())]


def _metadata_seeds() -> Sequence[bytes]:
    metadata = _trajectory_table().schema.metadata
    return [b"\x00" + metadata[b"leanebm.run"], b"\xff" + metadata[b"leanebm.theorems"]]


TARGETS = (
    Target(fuzz_parquet, _parquet_seeds, ("PAR1", "leanebm.run", "leanebm.schema_version")),
    Target(fuzz_shard_metadata, _metadata_seeds, ('"run_id"', '"config"', '"theorem"', '"outcome"', '"certificate"')),
)
