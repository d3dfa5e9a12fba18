"""What a trajectory holds, as the viewer's page is told of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from leanebm._shown import counted, hint, printable, shown
from leanebm._viewer import TREE_COLUMNS, as_json, theorem_json, tree_json
from leanebm.errors import ConfigError
from leanebm.pipeline.run_folder import RunFolder
from leanebm.pipeline.search.live_trees import LiveReader, LiveTree
from leanebm.pipeline.search.summary import is_remembered
from leanebm.storage import RunInfo, Shard, ShardSet, shard_paths
from leanebm.trajectory import TRAJECTORY_FORMAT, TheoremRecord, Trajectory, TrajectoryRow, trajectory_path

Tree = Mapping[str, list[Any]]
"""Columns, one entry per node: :data:`leanebm._viewer.TREE_COLUMNS`."""


@attrs.define
class RunView:
    """A run to look at, which may go on meanwhile: each shard's footer is read once, when it is there."""

    path: Path = attrs.field(converter=Path)
    """A run's folder, its trajectory, or one shard of it."""

    goes_on: bool = attrs.field(default=False, kw_only=True)
    """Whether to show the searches that go on, too; a folder without a shard is then a run that has finished no
    theorem yet, rather than a mistake."""

    _shards: dict[Path, Shard[TheoremRecord, TrajectoryRow]] = attrs.field(init=False, factory=dict, repr=False)
    _reader: LiveReader = attrs.field(
        init=False, repr=False, default=attrs.Factory(lambda self: LiveReader(RunFolder(self.path).running), True)
    )

    def trajectory(self) -> Trajectory:
        """What is there now; only footers are read, each once.

        Raises:
            ConfigError: there is none.
            TrajectoryError: a shard is damaged or of another version.
        """
        paths = self._shard_paths()
        if not paths and not self.goes_on:
            raise ConfigError(
                f"{self.path} holds no search yet: give a run's folder, its trajectory, or one shard of it"
            )
        self._shards = {path: self._shards.get(path) or Shard.open(path, TRAJECTORY_FORMAT) for path in paths}
        return ShardSet(self.path, TRAJECTORY_FORMAT, tuple(self._shards.values()))

    def as_json(self, number: int = 0, *, theorem: str | None = None) -> dict[str, Any]:
        """What the page is told of the run, but for its trees.

        Args:
            number: of the run, in the ids of its theorems.
            theorem: leave out all others.

        Raises:
            ConfigError: there is no such theorem.
            TrajectoryError: as :meth:`trajectory`.
        """
        live, trajectory = self._both()
        records = [each for each in trajectory.records if each.theorem.name not in live]
        told = [
            theorem_json(each, each, error=each.error) | {"searched": f"{each.run_id} {each.started_unix_s}"}
            for each in records
        ]
        told = [each for each in (*told, *(each.about for each in live.values())) if theorem in (None, each["name"])]
        if theorem is not None and not told and not self.goes_on:
            names = [record.theorem.name for record in records]
            asked = f"{shown(theorem)}{hint(theorem, names)}"
            raise ConfigError(f"{self.path} has no such theorem:", [f"{asked} @ --theorem"])
        runs = trajectory.runs
        return {
            "name": printable(str(self.path)),
            "about": f"{_about(runs[-1])}; {counted(len(told), 'theorem')}" if runs else "nothing yet",
            "notes": _notes(runs),
            "theorems": [each | {"id": f"tree-{number}-{at}"} for at, each in enumerate(told)],
        }

    def trees(self, names: Mapping[str, str]) -> Iterator[tuple[str, Tree]]:
        """Trees, one shard's after the other.

        Args:
            names: of the theorems that are wanted, each with what its tree is to be called.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        import pyarrow.compute as pc  # here, because not every command that starts has a tree to show

        trajectory = self.trajectory()
        final = {record.theorem.name: record.run_id for record in trajectory.records if record.theorem.name in names}
        told = set()
        for shard in trajectory.shards:
            present = [each.theorem.name for each in shard.records if final.get(each.theorem.name) == each.run_id]
            if not present:
                continue
            table = shard.table()
            for name in present:
                rows = table.filter(pc.equal(table["theorem"], name))
                if rows.num_rows:
                    told.add(name)
                    yield names[name], tree_json(rows.sort_by("node").select(TREE_COLUMNS).to_pydict())
        for name in sorted(names.keys() - told):  # its proof could not be opened
            yield names[name], {column: [] for column in TREE_COLUMNS}

    def tree(self, theorem: str) -> Tree:
        """One theorem's tree; without nodes if its proof could not be opened.

        Raises:
            TrajectoryError: its shard is damaged, or is gone.
        """
        [(_, tree)] = self.trees({theorem: theorem})
        return tree

    def tree_json(self, theorem: str) -> str:
        """The same as JSON; of a search that goes on, as far as it is known. Raises what :meth:`tree` does."""
        live, _ = self._both()
        return live[theorem].tree() if theorem in live else as_json(self.tree(theorem))

    def _both(self) -> tuple[dict[str, LiveTree], Trajectory]:
        """Searches that go on, by their theorems, and what has ended; what ends meanwhile is in one of them."""
        live = self._reader.read() if self.goes_on else []
        trajectory = self.trajectory()
        ended = {each.theorem.name for each in trajectory.records if each.is_final}
        ended_here = {(each.run_id, each.theorem.name) for each in trajectory.records}
        still_open = [each for each in live if each.name not in ended and (each.run_id, each.name) not in ended_here]
        return {each.name: each for each in still_open}, trajectory

    def spare(self, output: Path) -> None:
        """Make sure that writing ``output`` destroys nothing of the run.

        Raises:
            ConfigError: it is one of the run's shards.
        """
        if output.resolve() in (path.resolve() for path in self._shard_paths()):
            raise ConfigError(f"{output} holds the run's search trees:", ["give another file @ --output"])

    def _shard_paths(self) -> list[Path]:
        # Looked up anew each time: a live run makes the folder in the folder only when it begins to write.
        return shard_paths(trajectory_path(self.path))


def _about(run: RunInfo) -> str:
    head, version = run.config.get("energy_head"), run.lean_version.partition(",")[0]  # without its commit
    guided = [f"energy head {str(head)[:8]}"] if head not in (None, "none") else []
    words = (_kind(run.config, "scorer"), _kind(run.config.get("parts"), "search"), *guided, f"seed {run.seed}")
    return ", ".join([*(word for word in words if word not in ("", "best_first")), f"{run.backend} Lean {version}"])


def _kind(config: object, name: str) -> str:
    part = config.get(name) if isinstance(config, Mapping) else None
    return str(part.get("kind", "")) if isinstance(part, Mapping) else ""


def _notes(runs: tuple[RunInfo, ...]) -> list[str]:
    notes = [f"pooled despite: {line}" for run in runs for line in run.resumed_despite]
    if any(map(is_remembered, runs)):
        notes.append("answers may come from another search, so the times mean nothing")
    return notes


def view_file(path: str | os.PathLike[str]) -> Path:
    """Where the page of a run is written if nobody says otherwise: in the run's folder, or beside the shard."""
    path = Path(path)
    return (path.parent if path.is_file() else path) / "view.html"
