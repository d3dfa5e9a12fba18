"""Embeddings that outlive a run, in one SQLite file."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sqlite3
import struct
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar, final

from leanebm.errors import ConfigError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_APPLICATION_ID: Final = int.from_bytes(b"lebm")
_SCHEMA_VERSION: Final = 1
_SCHEMA: Final = f"""
    CREATE TABLE embedding (
        encoder TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, seal BLOB NOT NULL, used INTEGER NOT NULL,
        UNIQUE (encoder, text)
    );
    CREATE INDEX embedding_used ON embedding (used);
    PRAGMA application_id = {_APPLICATION_ID};
    PRAGMA user_version = {_SCHEMA_VERSION};
"""
_BUSY_TIMEOUT_S: Final = 5.0
_HOUR_S: Final = 3600
_KEPT_SHARE: Final = 0.9
"""Share of the embeddings that stays when the file has become too large."""


@final
class EmbeddingStore:
    """Vectors by encoder and text. Enter it with ``async with``; several processes may share the file.

    SQLite keeps a killed process from leaving half a row, but not a disk from flipping a bit: so every
    row is sealed with a hash over encoder, text and vector, and one whose seal is broken does not exist.
    A store is a convenience: when the file breaks in the middle of a run, the run goes on without it.

    All work happens in one thread, so that the event loop never waits for a disk.
    """

    def __init__(self, path: Path, *, max_mib: int, clock: Callable[[], float] = time.time) -> None:
        """Nothing is opened yet.

        Args:
            path: the file; made, with its folders, if it is not there.
            max_mib: size in MiB beyond which what was not used for longest is dropped.
            clock: seconds since 1970; an hour is all that matters of it.
        """
        self._path = path
        self._max_bytes = max_mib * 2**20
        self._clock = clock
        self._thread: ThreadPoolExecutor | None = None
        self._database: sqlite3.Connection | None = None

    async def __aenter__(self) -> Self:
        """Open the file.

        Raises:
            ConfigError: it cannot be opened, is damaged, or is not a store of embeddings.
        """
        async with AsyncExitStack() as unless_opened:
            unless_opened.push_async_callback(self._close_after_all)
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embeddings")
            await self._in_thread(self._open)
            unless_opened.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Close the file, after what has been asked for is written."""
        await self._close_after_all()

    async def _close_after_all(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            closing = asyncio.get_running_loop().run_in_executor(thread, self._close)
            thread.shutdown(wait=False)
            await asyncio.shield(closing)

    async def get(self, encoder: str, texts: Sequence[str]) -> Mapping[str, array[float]]:
        """The vectors that are there, by text.

        Args:
            encoder: the fingerprint of the encoder that made them.
            texts: what they stand for.
        """
        return await self._in_thread(partial(self._read, encoder, texts)) or {}

    async def put(self, encoder: str, vectors: Mapping[str, array[float]]) -> None:
        """Keep some vectors, by text. Where there is one already, it stays."""
        await self._in_thread(partial(self._write, encoder, vectors))

    async def _in_thread(self, work: Callable[[], _T]) -> _T | None:
        """Do some work on the database; ``None`` if there is none, or it is broken."""
        if self._thread is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(self._guarded, work))

    # --- in the thread ---

    def _guarded(self, work: Callable[[], _T]) -> _T | None:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:  # another process writes; this once, do without
                self._give_up(error)
        except sqlite3.Error as error:
            self._give_up(error)
        return None

    def _give_up(self, error: sqlite3.Error) -> None:
        _log.error("the embeddings in %s cannot be used any more (%s); going on without", self._path, error)
        self._close()

    def _open(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(
                self._path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(f"cannot be opened ({error})") from error
        try:
            self._prepare(database)
        except sqlite3.Error as error:
            database.close()
            is_damaged = _code(error) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
            why = f"is damaged ({error}); delete it, or name another" if is_damaged else f"cannot be used ({error})"
            raise self._unusable(why) from error
        except ConfigError:
            database.close()
            raise
        self._database = database

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # a power cut may cost the last rows, never the file
        database.execute("BEGIN IMMEDIATE")
        try:
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            (owner,) = database.execute("PRAGMA application_id").fetchone()
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if not tables:
                for statement in _SCHEMA.split(";"):
                    database.execute(statement)
            elif owner != _APPLICATION_ID:
                raise self._unusable("belongs to another program; name another")
            elif version != _SCHEMA_VERSION:
                raise self._unusable(f"has schema version {version}, not {_SCHEMA_VERSION}; delete it, or name another")
        finally:
            database.execute("COMMIT")

    def _close(self) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()

    def _read(self, encoder: str, texts: Sequence[str]) -> dict[str, array[float]]:
        if self._database is None:
            return {}
        found: dict[str, array[float]] = {}
        stale: list[tuple[int, int]] = []
        hour = int(self._clock()) // _HOUR_S
        for text in texts:
            row = self._database.execute(
                "SELECT rowid, vector, seal, used FROM embedding WHERE encoder = ? AND text = ?", (encoder, _key(text))
            ).fetchone()
            if row is None:
                continue
            rowid, packed, seal, used = row
            if seal != _seal(encoder, text, packed):
                _log.warning("an embedding in %s is damaged; it is made again", self._path)
                self._database.execute("DELETE FROM embedding WHERE rowid = ?", (rowid,))
                continue
            found[text] = _unpacked(packed)
            if used < hour:  # told by the hour, so that reading seldom writes
                stale.append((hour, rowid))
        if stale:
            with self._database:
                self._database.execute("BEGIN IMMEDIATE")
                self._database.executemany("UPDATE embedding SET used = ? WHERE rowid = ?", stale)
        return found

    def _write(self, encoder: str, vectors: Mapping[str, array[float]]) -> None:
        if self._database is None:
            return
        hour = int(self._clock()) // _HOUR_S
        packed = {text: _packed(vector) for text, vector in vectors.items()}
        rows = [(encoder, _key(text), blob, _seal(encoder, text, blob), hour) for text, blob in packed.items()]
        with self._database:  # commits, or rolls back
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO embedding VALUES (?, ?, ?, ?, ?)", rows)
            self._drop_unused()

    def _drop_unused(self) -> None:
        database = self._database
        while database is not None and self._used_bytes(database) > self._max_bytes:
            (count,) = database.execute("SELECT count(*) FROM embedding").fetchone()
            if not count:
                return
            surplus = max(1, count - int(_KEPT_SHARE * count))
            database.execute(
                "DELETE FROM embedding WHERE rowid IN (SELECT rowid FROM embedding ORDER BY used, rowid LIMIT ?)",
                (surplus,),
            )

    @staticmethod
    def _used_bytes(database: sqlite3.Connection) -> int:
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(
            "the cache of embeddings cannot be used:", [f"{self._path} {why} @ policy.encoder.cache_file"]
        )


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _seal(encoder: str, text: str, packed: bytes) -> bytes:
    """Breaks when a bit of the vector flips, or a vector comes to stand beside another's text."""
    sealed = hashlib.blake2b(encoder.encode(), digest_size=16)
    sealed.update(_key(text))
    sealed.update(packed)
    return sealed.digest()


def _packed(vector: array[float]) -> bytes:
    """Little-endian: the file means the same on every machine."""
    return struct.pack(f"<{len(vector)}f", *vector)


def _unpacked(packed: bytes) -> array[float]:
    return array("f", struct.unpack(f"<{len(packed) // 4}f", packed))
