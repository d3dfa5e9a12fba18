from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leanebm.errors import ConfigError
from leanebm.policy._embedding_store import EmbeddingStore
from leanebm.testing import ManualClock

ENCODER = "0123456789abcdef"


def vector(*numbers: float) -> array[float]:
    return array("f", numbers)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "embeddings.sqlite"


async def test_vectors_outlive_the_store_that_kept_them(path: Path) -> None:
    async with EmbeddingStore(path, max_mib=1) as store:
        await store.put(ENCODER, {"a": vector(1.5, -2.0), "b": vector(0.0, 1.0)})
    async with EmbeddingStore(path, max_mib=1) as store:
        assert await store.get(ENCODER, ["a", "b", "c"]) == {"a": vector(1.5, -2.0), "b": vector(0.0, 1.0)}
        assert await store.get("another encoder", ["a"]) == {}


@given(
    vectors=st.dictionaries(
        st.text(max_size=20), st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=5), max_size=10
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_and_any_vector_come_back_bit_for_bit(path: Path, vectors: dict[str, list[float]]) -> None:
    packed = {text: vector(*numbers) for text, numbers in vectors.items()}
    path.unlink(missing_ok=True)

    async def there_and_back() -> None:
        async with EmbeddingStore(path, max_mib=1) as store:
            await store.put(ENCODER, packed)
            found = await store.get(ENCODER, list(packed))
        assert {text: one.tobytes() for text, one in found.items()} == {t: v.tobytes() for t, v in packed.items()}

    asyncio.run(there_and_back())


async def test_the_least_recently_used_make_room(path: Path) -> None:
    clock = ManualClock()
    big = [0.5] * 4096
    async with EmbeddingStore(path, max_mib=1, clock=clock) as store:
        await store.put(ENCODER, {"loved": vector(*big), "forgotten": vector(*big)})
        for number in range(100):
            clock.advance(3600)
            assert "loved" in await store.get(ENCODER, ["loved"])
            await store.put(ENCODER, {str(number): vector(*big)})
        assert set(await store.get(ENCODER, ["loved", "forgotten", "0", "99"])) == {"loved", "99"}
    assert path.stat().st_size < 2 * 2**20


@pytest.mark.parametrize("content", [b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_a_damaged_file_is_refused_at_the_start(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged.*delete it"):
        async with EmbeddingStore(path, max_mib=1):
            pass
    assert path.read_bytes() == content


async def test_other_peoples_databases_are_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE precious (x)")
    database.close()
    with pytest.raises(ConfigError, match="another program"):
        async with EmbeddingStore(path, max_mib=1):
            pass


async def test_another_schema_version_is_refused(path: Path) -> None:
    async with EmbeddingStore(path, max_mib=1):
        pass
    _tamper(path, "PRAGMA user_version = 2")
    with pytest.raises(ConfigError, match="schema version 2, not 1"):
        async with EmbeddingStore(path, max_mib=1):
            pass


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be opened"):
        async with EmbeddingStore(tmp_path / "file" / "embeddings", max_mib=1):
            pass


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE embedding SET vector = zeroblob(length(vector))",
        "UPDATE embedding SET vector = substr(vector, 1, 4)",
        "UPDATE embedding SET seal = zeroblob(16)",
        "UPDATE embedding SET encoder = 'other'",
    ],
)
async def test_a_row_that_was_changed_does_not_exist(path: Path, damage: str) -> None:
    async with EmbeddingStore(path, max_mib=1) as store:
        await store.put(ENCODER, {"a": vector(1.0, 2.0)})
    _tamper(path, damage)
    async with EmbeddingStore(path, max_mib=1) as store:
        assert await store.get(ENCODER, ["a"]) == {}
        assert await store.get("other", ["a"]) == {}
        await store.put(ENCODER, {"a": vector(3.0, 4.0)})
        assert await store.get(ENCODER, ["a"]) == {"a": vector(3.0, 4.0)}


async def test_swapped_rows_are_noticed(path: Path) -> None:
    async with EmbeddingStore(path, max_mib=1) as store:
        await store.put(ENCODER, {"a": vector(1.0, 2.0)})
        await store.put(ENCODER, {"b": vector(3.0, 4.0)})
    _tamper(path, "UPDATE embedding SET (vector, seal) = (SELECT vector, seal FROM embedding WHERE rowid = 2)")
    async with EmbeddingStore(path, max_mib=1) as store:
        assert await store.get(ENCODER, ["a", "b"]) == {"b": vector(3.0, 4.0)}


async def test_flipped_bits_never_make_another_vector(path: Path) -> None:
    kept = {str(i): vector(*(float(i + j) for j in range(64))) for i in range(50)}
    async with EmbeddingStore(path, max_mib=1) as store:
        await store.put(ENCODER, kept)
    whole = path.read_bytes()
    for position in range(100, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        try:
            async with EmbeddingStore(path, max_mib=1) as store:
                found = await store.get(ENCODER, list(kept))
        except ConfigError:
            continue
        assert all(kept[text] == one for text, one in found.items())


async def test_a_file_that_breaks_in_the_middle_is_done_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with EmbeddingStore(path, max_mib=1) as store:
        await store.put(ENCODER, {"a": vector(1.0)})
        _tamper(path, "DROP TABLE embedding")
        assert await store.get(ENCODER, ["a"]) == {}
        await store.put(ENCODER, {"a": vector(1.0)})
        assert await store.get(ENCODER, ["a"]) == {}
    assert caplog.text.count("going on without") == 1


_WRITER = """
import asyncio, sys
from array import array
from pathlib import Path
from leanebm.policy._embedding_store import EmbeddingStore

async def write():
    async with EmbeddingStore(Path(sys.argv[1]), max_mib=64) as store:
        number = 0
        while number < int(sys.argv[3]):
            text = f"{sys.argv[2]}{number % 50}"
            await store.put("e", {text + str(i): array("f", [number % 50, i]) for i in range(5)})
            number += 1
            if number == 20:
                print("going", flush=True)

asyncio.run(write())
"""


def _writer(path: Path, name: str, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), name, str(rounds)], stdout=subprocess.PIPE, text=True
    )


async def test_two_processes_may_share_it_and_one_may_be_killed(path: Path) -> None:
    path.parent.mkdir()
    killed, finishing = _writer(path, "k", 10**9), _writer(path, "f", 60)
    for process in (killed, finishing):
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "going\n"
    os.kill(killed.pid, signal.SIGKILL)
    assert await asyncio.to_thread(finishing.wait) == 0
    await asyncio.to_thread(killed.wait)
    for process in (killed, finishing):
        assert process.stdout is not None
        process.stdout.close()
    texts = {f"{name}{number}{i}": vector(number, i) for name in "kf" for number in range(20) for i in range(5)}
    async with EmbeddingStore(path, max_mib=64) as store:
        assert await store.get("e", list(texts)) == texts


def _tamper(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    database.execute(statement)
    database.commit()
    database.close()
