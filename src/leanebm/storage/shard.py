"""One file of a shard folder: whole theorems only, in place entirely or not at all.

The rows hold what was found at each theorem. What is known of each theorem as a whole, and of the run, is
JSON in the file's metadata: summaries and resuming read footers only, and a theorem without rows is recorded,
too.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
from cattrs.preconf.json import make_converter

from leanebm._shown import fitting_repr, how_many, reason, writer
from leanebm.core import Theorem
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage.file_stem import file_stem
from leanebm.storage.firsts import WHOLE_FOLDER, Firsts
from leanebm.storage.parquet import read_parquet, write_parquet
from leanebm.storage.regular_file import open_regular
from leanebm.storage.run_info import RunInfo

SHARD_PATTERN: Final = "part-*.parquet"


class StoredRecord(Protocol):
    """What is known of one theorem as a whole; an attrs class that JSON can hold."""

    @property
    def theorem(self) -> Theorem:
        """Which theorem."""
        ...

    @property
    def run_id(self) -> str:
        """The run that worked on it."""
        ...

    @property
    def is_final(self) -> bool:
        """Whether it need not be worked on again."""
        ...


R = TypeVar("R", bound=StoredRecord)

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class ShardFormat(Generic[R, T]):
    """A kind of shard: its columns, and how values become rows and come back.

    A row belongs to one theorem, whose name is in the column ``theorem``.
    """

    noun: str
    """What a folder of such shards is called in messages: ``trajectory``."""

    prefix: str
    """Prefix of the metadata's keys. Each kind has its own, so that no shard is taken for one of another kind."""

    version: int
    """Counts up when the columns change; another version is refused, not guessed at."""

    schema: pa.Schema
    record: type[R]
    table_of: Callable[[Iterable[T]], pa.Table]
    """Rows as a table of ``schema``."""

    rows_of: Callable[[pa.Table], list[T]]
    """A table of ``schema`` as rows."""

    owns: Callable[[R, T], bool]
    """Whether a row is one of the record's."""

    __repr__ = fitting_repr

    @property
    def version_key(self) -> bytes:
        """Where a file's metadata say its version."""
        return f"{self.prefix}.schema_version".encode()

    @property
    def run_key(self) -> bytes:
        """Where they say which run wrote it."""
        return f"{self.prefix}.run".encode()

    @property
    def records_key(self) -> bytes:
        """Where they hold the records."""
        return f"{self.prefix}.theorems".encode()


_json = make_converter(forbid_extra_keys=True)


def shard_path(folder: Path, number: int) -> Path:
    """The path of the ``number``-th shard; names sort in the order of writing."""
    return folder / f"part-{number:06d}.parquet"


@attrs.frozen
class Shard(Generic[R, T]):
    """A shard's metadata; its rows stay on the disk until :meth:`table` is called."""

    path: Path = attrs.field(converter=Path)
    format: ShardFormat[R, T] = attrs.field(repr=False)
    run: RunInfo
    records: tuple[R, ...]
    """The theorems it holds, in the order they were finished."""

    __repr__ = fitting_repr

    @property
    def entries(self) -> set[tuple[str, str]]:
        """What it has a record of: in which run, by its id, and of which theorem."""
        return {(record.run_id, record.theorem.name) for record in self.records}

    @property
    def final_entries(self) -> set[tuple[str, str]]:
        """Those of them that are final."""
        return {(record.run_id, record.theorem.name) for record in self.records if record.is_final}

    @classmethod
    def write(
        cls,
        path: str | os.PathLike[str],
        shard_format: ShardFormat[R, T],
        run: RunInfo,
        records: Sequence[R],
        rows: Sequence[T],
    ) -> Shard[R, T]:
        """Put a shard in place atomically: after a crash at any moment it is whole or absent.

        Raises:
            OSError: the disk is full, the directory cannot be written …
        """
        path = Path(path)
        metadata = {
            shard_format.version_key: str(shard_format.version),
            shard_format.run_key: _json.dumps(run),
            shard_format.records_key: _json.dumps(
                tuple(records),
                unstructure_as=tuple[shard_format.record, ...],  # type: ignore[name-defined]
            ),
        }
        table = shard_format.table_of(rows).replace_schema_metadata(metadata)
        write_parquet(path, table, write_page_checksum=True)
        return cls(path, shard_format, run, tuple(records))

    @classmethod
    def open(cls, path: str | os.PathLike[str], shard_format: ShardFormat[R, T]) -> Shard[R, T]:
        """Read a shard's footer.

        Raises:
            ConfigError: the file is a Parquet file of another kind.
            TrajectoryError: it is damaged, or is one of another version.
        """
        path = Path(path)
        try:
            with open_regular(path) as file:
                schema = pq.read_schema(file)
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise TrajectoryError(
                f"{path} cannot be read as Parquet: {str(error).rstrip('.')}. Restore it, or delete it."
            ) from error
        metadata = schema.metadata or {}
        _check_version(path, shard_format, schema, metadata)
        try:
            run = _json.loads(metadata[shard_format.run_key], RunInfo)
            records = _json.loads(
                metadata[shard_format.records_key],
                tuple[shard_format.record, ...],  # type: ignore[name-defined]
            )
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError, ExceptionGroup) as error:
            raise TrajectoryError(f"{path} has damaged metadata: {error}") from error
        return cls(path, shard_format, run, records)

    def table(self) -> pa.Table:
        """The shard's rows.

        Raises:
            TrajectoryError: the file is damaged, or is gone.
        """
        try:
            with open_regular(self.path) as file:
                table = read_parquet(file).replace_schema_metadata(None)
            table.validate(full=True)  # text that is not UTF-8, lists that reach beyond their end …
        except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
            raise TrajectoryError(f"{self.path} cannot be read: {reason(error)}") from error
        return table


def _check_version(
    path: Path, shard_format: ShardFormat[R, T], schema: pa.Schema, metadata: Mapping[bytes, bytes]
) -> None:
    version = metadata.get(shard_format.version_key)
    if version is None:
        raise ConfigError(
            f"{path} is a Parquet file but not a {shard_format.noun}: it has no {shard_format.version_key.decode()}."
        )
    if version.decode(errors="replace") != str(shard_format.version):
        raise TrajectoryError(
            f"{path} has schema version {version.decode(errors='replace')}; this leanebm reads and writes "
            f"{shard_format.version}. Read it with {writer(_leanebm_of(metadata.get(shard_format.run_key)))}."
        )
    if not schema.equals(shard_format.schema):
        raise TrajectoryError(
            f"{path} says schema version {shard_format.version}, but its columns are not that version's."
        )


def _leanebm_of(run: bytes | None) -> object:
    """The version that the metadata of a run name, of whatever schema they are."""
    try:
        return json.loads(run or b"{}")["leanebm_version"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None


@attrs.define
class _Records(Generic[R]):
    """All that a folder of shards holds of one theorem, by the parts of the folder."""

    final: dict[str, R] = attrs.field(factory=dict)
    """Each part's first one."""

    lost: dict[str, R] = attrs.field(factory=dict)
    """Each part's last one that is not final."""

    def counting(self, theorem: str, firsts: Firsts) -> tuple[str, R]:
        """The one that counts, and its part."""
        if len(self.final | self.lost) > 1 and WHOLE_FOLDER not in self.final:  # its own was there first, or merged
            marked = [part for part in firsts.parts(theorem) if part in self.final or part in self.lost]
            # Who began after it was given up sets a later mark, which is why a final one is looked for in all of them.
            for part in (part for part in marked if part in self.final):
                return part, self.final[part]
            for part in reversed(marked):
                return part, self.lost[part]
        return next(iter(self.final.items()), None) or next(reversed(self.lost.items()))


@attrs.frozen
class ShardSet(Generic[R, T]):
    """What one or several runs of one configuration found, each theorem once.

    A theorem that was worked on again, because it was lost the first time, counts with its last record; one that two
    workers finished counts with that of the worker who finished it first. One that was given up is lost, whatever a
    worker writes later who was at it already, until somebody begins with it anew. Rows of other records are left out.
    """

    path: Path = attrs.field(converter=Path)
    format: ShardFormat[R, T] = attrs.field(repr=False)
    shards: tuple[Shard[R, T], ...] = attrs.field(repr=how_many)

    @property
    def runs(self) -> tuple[RunInfo, ...]:
        """The runs that wrote it, the first one first."""
        return tuple({shard.run.run_id: shard.run for shard in self.shards}.values())

    @property
    def records(self) -> tuple[R, ...]:
        """Each theorem's record that counts, in the order in which theorems were first recorded."""
        firsts = Firsts(self.path)
        return tuple(found.counting(name, firsts)[1] for name, found in self._theorems().items())

    @property
    def outdone(self) -> set[tuple[str, str]]:
        """The final records in whose place another final one counts; by their runs' ids and their theorems."""
        firsts = Firsts(self.path)
        outdone = {entry for shard in self.shards for entry in shard.final_entries}
        for name, found in self._theorems().items():
            _, record = found.counting(name, firsts)
            if found.final and not record.is_final:  # given up: a final one came too late, and is the best there is
                record = next(iter(found.final.values()))
            outdone.discard((record.run_id, name))
        return outdone

    def unmarked(self) -> Iterator[tuple[str, str]]:
        """Each theorem of which a worker's final record counts though no mark says so, and the worker's part."""
        firsts = Firsts(self.path)
        for name, found in self._theorems().items():
            part, record = found.counting(name, firsts)
            if record.is_final and part != WHOLE_FOLDER and found.final.keys().isdisjoint(firsts.parts(name)):
                yield name, part

    def give_up(self, theorems: Collection[str]) -> None:
        """Let those of them that are lost stay so, whatever a worker writes later who is at one now.

        Raises:
            ConfigError, TrajectoryError: the folder cannot be written to.
        """
        firsts = Firsts(self.path)
        numbers = firsts.counts()
        for name, found in self._theorems().items():
            part, record = found.counting(name, firsts)
            if name in theorems and not record.is_final:
                firsts.put(name, numbers[file_stem(name)], part)

    def _theorems(self) -> Mapping[str, _Records[R]]:
        found = defaultdict[str, _Records[R]](_Records)
        for shard in self.shards:
            folder = shard.path.parent
            part = WHOLE_FOLDER if folder == self.path else folder.name
            for record in shard.records:
                of_theorem = found[record.theorem.name]
                if record.is_final:
                    of_theorem.final.setdefault(part, record)
                else:
                    of_theorem.lost[part] = record
        return found

    def tables(self) -> Iterator[pa.Table]:
        """The rows of one shard after the other, so that no more than one is in memory.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        final = {record.theorem.name: record.run_id for record in self.records}
        for shard in self.shards:
            superseded = [
                record.theorem.name for record in shard.records if final[record.theorem.name] != record.run_id
            ]
            table = shard.table()
            if superseded:
                import pyarrow.compute as pc  # a fifteenth of what a command takes to start, and seldom wanted

                table = table.filter(pc.invert(pc.is_in(table["theorem"], pa.array(superseded))))
            yield table

    def table(self) -> pa.Table:
        """All rows as one table of the format's schema.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        return pa.concat_tables([self.format.schema.empty_table(), *self.tables()])

    def rows(self) -> Iterator[T]:
        """All rows, shard by shard.

        Raises:
            TrajectoryError: a shard is damaged, or is gone.
        """
        for shard, table in zip(self.shards, self.tables(), strict=True):
            try:
                rows = self.format.rows_of(table)
            except (TypeError, ValueError) as error:
                raise TrajectoryError(
                    f"{shard.path} holds a row that this leanebm would not have written: {error} "
                    f"@ row {_first_bad_row(table, self.format)}. Restore it, or delete it."
                ) from error
            yield from rows


def _first_bad_row(table: pa.Table, shard_format: ShardFormat[R, T]) -> int:
    """Its number among the rows that count, from 1."""
    for index in range(table.num_rows):
        try:
            shard_format.rows_of(table.slice(index, 1))
        except (TypeError, ValueError):
            return index + 1
    raise AssertionError("rows that cannot be read together can be read one by one")


def shard_paths(path: Path | str) -> list[Path]:
    """The shards of a folder that are there now, in their order; or the one shard that ``path`` is.

    Workers that share a folder each have one of their own in it, whose shards come after the folder's.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    of_workers = sorted(path.glob(f"*/{SHARD_PATTERN}"))  # first: what a merge moves meanwhile is seen twice, not never
    return [*own_shard_paths(path), *of_workers]


def own_shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder without those of workers who share it."""
    return sorted(folder.glob(SHARD_PATTERN))


def next_number(folder: Path) -> int:
    """The number of the next shard of ``folder`` itself."""
    paths = own_shard_paths(folder)
    return int(paths[-1].stem.removeprefix("part-")) + 1 if paths else 0


def read_shards(path: Path | str, shard_format: ShardFormat[R, T]) -> ShardSet[R, T]:
    """Open a folder of shards, or a single shard. Only footers are read.

    Raises:
        ConfigError: there is none at ``path``.
        TrajectoryError: a shard is damaged, of another kind or version.
    """
    path = Path(path)
    shards = shard_paths(path)
    is_other = path.is_file() and path.suffix != ".parquet"
    if not shards or is_other:
        what = f"holds no {shard_format.noun} yet" if path.is_dir() else "is none" if is_other else "does not exist"
        raise ConfigError(
            f"{path} {what}: what is needed is a folder with files named {SHARD_PATTERN}, or one such file. "
            "A run writes its first one when its first theorem is done"
        )
    try:
        return _open_all(path, shards, shard_format)
    except TrajectoryError:
        if all(shard.exists() for shard in shards):
            raise
        return _open_all(path, shard_paths(path), shard_format)  # a merge has just moved one


def _open_all(path: Path, shards: Iterable[Path], shard_format: ShardFormat[R, T]) -> ShardSet[R, T]:
    return ShardSet(path, shard_format, tuple(Shard.open(shard, shard_format) for shard in shards))
