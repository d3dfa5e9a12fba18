"""Reading Parquet leaves nothing behind of which a process might die when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.storage import read_parquet

_TABLE = pa.table({"number": list(range(1000)), "word": ["pancake"] * 1000})

_COUNT_THREADS = """
import os, sys
import pyarrow.parquet
from leanebm import load_theorems
from leanebm.storage import read_parquet

def threads():
    return len(os.listdir("/proc/self/task"))

before = threads()
with open(sys.argv[1], "rb") as file:
    read_parquet(file)
load_theorems("logic:val")
load_theorems(sys.argv[2])
print(threads() - before)
with open(sys.argv[1], "rb") as file:
    pyarrow.parquet.read_table(file)
print(threads() - before)
sys.stdout.flush()
os._exit(0)  # what Arrow leaves may end this process with an abort, which is why read_parquet leaves nothing
"""


def test_all_columns_or_some_come_in_the_order_asked_for(tmp_path: Path) -> None:
    pq.write_table(_TABLE, tmp_path / "table.parquet")
    with (tmp_path / "table.parquet").open("rb") as file:
        file.read(100)
        assert read_parquet(file).equals(_TABLE)
        assert read_parquet(file, ["word"]).equals(_TABLE.select(["word"]))


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(_TABLE, path, compression="none", use_dictionary=False, write_page_checksum=True)
    whole = bytearray(path.read_bytes())
    whole[whole.rindex(b"pancake", 0, len(whole) // 2)] ^= 1
    path.write_bytes(whole)
    with path.open("rb") as file, pytest.raises(OSError, match="CRC"):
        read_parquet(file)


def test_what_unpacks_to_more_than_it_may_is_not_read_on(tmp_path: Path) -> None:
    """A text that all rows share is in the file once, and nothing in its footer says what the rows come to."""
    path = tmp_path / "table.parquet"
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 500_000, pa.int32()), pa.array(["x" * 10_000]))
    pq.write_table(pa.table({"text": shared, "number": range(500_000)}), path, compression="zstd", store_schema=False)
    with path.open("rb") as file:
        with pytest.raises(OSError, match="it unpacks to more than 100000000 bytes"):
            read_parquet(file, max_bytes=10**8)
        assert read_parquet(file, ["number"], max_bytes=10**8).num_rows == 500_000


def test_categories_count_once_and_come_as_their_values_in_place(tmp_path: Path) -> None:
    """Each of the batches brings all categories: counted with each, they would come to 60 times what they are."""
    path, texts = tmp_path / "table.parquet", [f"{number:06d}" * 10 for number in range(60_000)]
    table = pa.table({"text": pa.array(texts).dictionary_encode(), "number": range(60_000), "again": texts})
    pq.write_table(table.append_column("last", table["text"]), path, row_group_size=50_000)
    with path.open("rb") as file:
        read = read_parquet(file, max_bytes=16_000_000)
        assert read.equals(pa.table({"text": texts, "number": range(60_000), "again": texts, "last": texts}))
        assert read_parquet(file, ["text"], max_bytes=8_000_000).equals(pa.table({"text": texts}))


def test_one_category_that_all_rows_share_is_not_read_on_either(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 500_000, pa.int32()), pa.array(["x" * 10_000]))
    pq.write_table(pa.table({"text": shared}), path)
    with path.open("rb") as file, pytest.raises(OSError, match="it unpacks to more than 100000000 bytes"):
        read_parquet(file, max_bytes=10**8)


def test_a_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    pq.write_table(_TABLE.slice(0, 0), tmp_path / "table.parquet")
    with (tmp_path / "table.parquet").open("rb") as file:
        assert read_parquet(file).equals(_TABLE.slice(0, 0))


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_no_thread_of_arrow_is_left(tmp_path: Path) -> None:
    table, theorems = tmp_path / "table.parquet", tmp_path / "theorems.parquet"
    pq.write_table(_TABLE, table)
    pq.write_table(pa.table({"name": ["t"], "statement": ["1 + 1 = 2"]}), theorems)
    command = [sys.executable, "-c", _COUNT_THREADS, str(table), str(theorems)]
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # numpy's own threads
    left, left_by_arrow = subprocess.run(command, capture_output=True, text=True, check=True, env=alone).stdout.split()
    assert int(left) == 0
    assert int(left_by_arrow) > 0, "Arrow has mended it: read_parquet is not needed any longer"
