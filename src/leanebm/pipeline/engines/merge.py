"""One run's folder out of what workers wrote, on one machine or on many."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from leanebm.core import Theorem
from leanebm.data import CONTRASTIVE_FORMAT
from leanebm.errors import ConfigError
from leanebm.pipeline.contrastive.folder import ContrastiveFolder
from leanebm.pipeline.engines.shards_engine import LEASES_FOLDER
from leanebm.pipeline.run_folder import CertificateRecord, RunFolder, write_text
from leanebm.storage import ShardFormat, merge_shards, read_shards, shard_paths
from leanebm.trajectory import TRAJECTORY_FORMAT, attempt_folder, read_trajectory

_KINDS: Final[tuple[tuple[str, Callable[[Path], Path], ShardFormat[Any, Any]], ...]] = (
    ("a search run", lambda folder: RunFolder(folder).trajectory, TRAJECTORY_FORMAT),
    ("contrastive groups", lambda folder: ContrastiveFolder(folder).groups, CONTRASTIVE_FORMAT),
)
"""What can be merged: what it is called, where a folder of it has its shards, and what these hold."""


def merge(runs: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str] | None = None) -> Path:
    """Make one run's folder of several, and of the parts that workers wrote to them.

    A theorem counts once: of several results that are final, the first in the order of ``runs`` and, in each, of its
    workers' names. Which proof that is, the folder's proof files say, too. Killed at any moment, it loses nothing and
    can be called again.

    Args:
        runs: folders of search runs, or of contrastive groups; at least one. Their workers have ended.
        output: where the one folder is made; the first of ``runs`` by default. The other folders stay as they are.

    Returns:
        That folder.

    Raises:
        ConfigError: they are not of one kind, or differ in what results depend on, or hold different theorems under one
            name; or ``output`` is not empty.
        TrajectoryError: as :func:`~leanebm.storage.merge_shards`.
    """
    folders = [Path(run) for run in runs]
    into = folders[0] if output is None else Path(output)
    shards_of, shard_format = _kind(folders)
    places = [shards_of(folder) for folder in folders]
    if into not in folders:
        _refuse_other_contents(into, shards_of(into), places, shard_format)
    _refuse_restated(places, shard_format)

    def finish() -> None:
        _write_config(into, folders)
        if shard_format is TRAJECTORY_FORMAT:
            _write_proofs(RunFolder(into))
        shutil.rmtree(into / LEASES_FOLDER, ignore_errors=True)

    merge_shards(places, shards_of(into), shard_format, finish=finish)
    return into


def _kind(folders: Sequence[Path]) -> tuple[Callable[[Path], Path], ShardFormat[Any, Any]]:
    """Where a folder of their kind has its shards, and what these hold."""
    if several := [folder for folder in folders if attempt_folder(folder, 2).exists()]:
        raise ConfigError(
            "runs whose theorems were searched several times are not merged:",
            [f"it has attempts @ {folder}" for folder in several],
        )
    for _, shards_of, shard_format in _KINDS:
        if all(shard_paths(shards_of(folder)) for folder in folders):
            return shards_of, shard_format
    raise ConfigError(
        "what is merged is the folders of search runs, or those of generate-negatives, with results in them:",
        [f"{_contents(folder)} @ {folder}" for folder in folders],
    )


def _contents(folder: Path) -> str:
    return next((noun for noun, shards_of, _ in _KINDS if shard_paths(shards_of(folder))), "no results")


def _refuse_other_contents(
    into: Path, place: Path, places: Sequence[Path], shard_format: ShardFormat[Any, Any]
) -> None:
    """Refuse a folder that holds anything but what an earlier, perhaps a stopped merge of the same runs put there."""

    def entries_of(place: Path) -> set[tuple[str, str]]:
        return set[tuple[str, str]]().union(*(shard.entries for shard in read_shards(place, shard_format).shards))

    if shard_paths(place):
        is_ours = entries_of(place) <= set().union(*map(entries_of, places))
    else:  # locks, and files that are being written, are hidden
        is_ours = not any(path.is_file() and not path.name.startswith(".") for path in into.rglob("*"))
    if not is_ours:
        raise ConfigError(f"{into} is not empty", ["choose another folder @ --output"])


def _refuse_restated(places: Sequence[Path], shard_format: ShardFormat[Any, Any]) -> None:
    known: dict[str, Theorem] = {}
    for place in places:
        theorems = [record.theorem for record in read_shards(place, shard_format).records]
        if other := [theorem.name for theorem in theorems if known.setdefault(theorem.name, theorem) != theorem]:
            raise ConfigError(
                f"{place} and a folder before it worked on other theorems under the same names:",
                [f"another statement, header or context @ {name}" for name in other],
            )


def _write_config(into: Path, folders: Sequence[Path]) -> None:
    """Give the one folder the first one's settings; those that results depend on are in the shards as well."""
    for config in (RunFolder(folder).config for folder in folders):
        if into != folders[0] and config.exists():
            write_text(RunFolder(into).config, config.read_text(encoding="utf-8"))
            return


def _write_proofs(folder: RunFolder) -> None:
    """Let each proof's file be that of the record that counts; the records hold the proofs whole."""
    folder.sweep(is_shared=False)
    for record in read_trajectory(folder.path).records:
        if (certificate := record.certificate) is None:
            continue
        path = folder.proof_of(record.theorem.name)
        is_there = path.exists() and path.read_text(encoding="utf-8") == certificate.source
        if not is_there or CertificateRecord.read(path) != CertificateRecord.of(certificate):
            folder.write_proof(certificate)
