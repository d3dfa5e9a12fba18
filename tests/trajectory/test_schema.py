from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import NodeStatus, SearchOutcome, TacticFate
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, Shard, ShardWriter
from leanebm.trajectory import (
    MAX_MESSAGE_CHARS,
    SCHEMA,
    SCHEMA_VERSION,
    TRAJECTORY_FORMAT,
    Attempt,
    TrajectoryRow,
    read_trajectory,
)
from leanebm.trajectory.schema import rows_of, table_of

MakeRun = Callable[..., RunInfo]

MakeTheorem = Callable[..., Any]

text = st.text(st.characters(exclude_categories=["Cs"]))

reals = st.floats(allow_nan=False, allow_infinity=False)

int32 = st.integers(-1, 2**31 - 1)

int64 = st.integers(-(2**63), 2**63 - 1)

fates = st.sampled_from(TacticFate)

attempts = st.builds(Attempt, tactic=text, log_prob=reals, kind=fates, target=int32, message=text, elapsed_s=reals)

rows = st.builds(
    TrajectoryRow,
    run_id=text,
    theorem=text,
    statement=text,
    outcome=st.sampled_from(SearchOutcome),
    node=int32,
    parent=int32,
    state_key=text,
    state_text=text,
    num_goals=int32,
    tactic=st.none() | text,
    log_prob=reals,
    path_log_prob=reals,
    policy_weights=st.none() | text,
    priority=st.none() | reals,
    energy=st.none() | reals,
    depth=int32,
    remaining_depth=int32,
    on_proof_path=st.booleans(),
    status=st.sampled_from(NodeStatus),
    expansion=int32,
    attempts=st.lists(attempts, max_size=3).map(tuple),
    started_unix_s=reals,
    found_s=reals,
    tactic_s=reals,
    worker_epoch=int64,
    backend=text,
    seed=int64,
)


def test_there_is_one_column_for_each_field_in_its_order() -> None:
    assert SCHEMA.names == [field.name for field in attrs.fields(TrajectoryRow)]
    attempt = SCHEMA.field("attempts").type.value_type
    assert [attempt.field(i).name for i in range(attempt.num_fields)] == [field.name for field in attrs.fields(Attempt)]


def test_every_number_with_a_unit_states_it() -> None:
    for name in SCHEMA.names:
        if name.endswith(("_s", "log_prob", "depth", "energy", "priority")):
            assert SCHEMA.field(name).metadata[b"unit"], name


def test_version_2_is_frozen() -> None:
    """Whoever changes a column changes the version, and so this test."""
    assert SCHEMA_VERSION == 2
    columns = " ".join(f"{field.name}:{field.type}{'?' if field.nullable else ''}" for field in SCHEMA)
    assert columns == (
        "run_id:string theorem:string statement:string outcome:string node:int32 parent:int32 state_key:string "
        "state_text:string num_goals:int32 tactic:string? log_prob:double path_log_prob:double policy_weights:string? "
        "priority:double? energy:double? depth:int32 remaining_depth:int32 on_proof_path:bool status:string "
        "expansion:int32 "
        "attempts:list<element: struct<tactic: string not null, log_prob: double not null, kind: string not null, "
        "target: int32 not null, message: string not null, elapsed_s: double not null> not null> "
        "started_unix_s:double found_s:double tactic_s:double worker_epoch:int64 backend:string seed:int64"
    )


@given(st.lists(rows, max_size=5))
def test_rows_survive_the_round_trip(some: list[TrajectoryRow]) -> None:
    table = table_of(some)
    table.validate(full=True)
    assert table.schema.equals(SCHEMA)
    assert rows_of(table) == some


@pytest.mark.parametrize(("column", "word"), [("outcome", "exhausted"), ("status", "unexpandable")])
def test_columns_hold_the_words_that_they_always_held(make_theorem: MakeTheorem, column: str, word: str) -> None:
    [row] = make_theorem("t", num_rows=1)[1]
    kinds = [attrs.evolve(row.attempts[0], kind=kind) for kind in TacticFate]
    words = {"outcome": SearchOutcome.EXHAUSTED, "status": NodeStatus.UNEXPANDABLE}
    table = table_of([attrs.evolve(row, attempts=tuple(kinds), **words)])
    assert table[column].to_pylist() == [word]
    [attempts] = table["attempts"].to_pylist()
    assert [attempt["kind"] for attempt in attempts][:6] == [
        *("advanced", "finished", "rejected", "timed_out", "merged", "cyclic")
    ]


def test_a_word_that_no_search_writes_is_not_read(make_theorem: MakeTheorem) -> None:
    table = table_of(make_theorem("t", num_rows=1)[1])
    for column in ("outcome", "status"):
        odd = table.set_column(table.schema.names.index(column), SCHEMA.field(column), [["solved"]])
        with pytest.raises(ValueError, match="'solved' is not a valid"):
            rows_of(odd)


def test_an_empty_search_is_an_empty_table() -> None:
    assert table_of([]).schema.equals(SCHEMA)
    assert rows_of(SCHEMA.empty_table()) == []


@given(text)
def test_messages_are_cut_and_say_so(message: str) -> None:
    kept = Attempt(tactic="t", log_prob=-math.inf, kind=TacticFate.REJECTED, message=message * 40).message
    assert len(kept) <= MAX_MESSAGE_CHARS
    assert kept == message * 40 or kept.endswith("…")


@pytest.fixture
def directory(tmp_path: Path, make_run: MakeRun, make_theorem: MakeTheorem) -> Path:
    """Two runs; the second searched again what the first had lost."""
    first = [make_theorem("t1", "proved"), make_theorem("t2", "infrastructure", num_rows=1), make_theorem("t3")]
    second = [make_theorem("t2", "proved", run_id="run-2", num_rows=4)]
    for number, (run_id, theorems) in enumerate([("run-1", first), ("run-2", second)]):
        Shard.write(
            tmp_path / f"part-{number:06d}.parquet",
            TRAJECTORY_FORMAT,
            make_run(run_id),
            [record for record, _ in theorems],
            [row for _, rows in theorems for row in rows],
        )
    return tmp_path


def test_each_theorem_counts_once_with_its_last_search(directory: Path) -> None:
    trajectory = read_trajectory(directory)
    assert [(record.theorem.name, record.outcome) for record in trajectory.records] == [
        ("t1", "proved"),
        ("t2", "proved"),
        ("t3", "budget_spent"),
    ]
    assert [run.run_id for run in trajectory.runs] == ["run-1", "run-2"]
    assert {(record.theorem.header, record.theorem.context) for record in trajectory.records} == {
        ("open Nat", "def zero := 0")
    }


def test_rows_of_a_superseded_search_are_left_out(directory: Path) -> None:
    trajectory = read_trajectory(str(directory))
    keys = [(row.run_id, row.theorem, row.node) for row in trajectory.rows()]
    assert keys == [("run-1", "t1", n) for n in range(3)] + [("run-1", "t3", n) for n in range(3)] + [
        ("run-2", "t2", n) for n in range(4)
    ]
    assert trajectory.table().num_rows == len(keys)


def test_rows_come_back_as_they_were_written(directory: Path, make_theorem: MakeTheorem) -> None:
    _, rows = make_theorem("t1", "proved")
    assert [row for row in read_trajectory(directory).rows() if row.theorem == "t1"] == rows


def test_a_single_shard_is_a_trajectory_too(directory: Path) -> None:
    trajectory = read_trajectory(directory / "part-000000.parquet")
    assert [record.theorem.name for record in trajectory.records] == ["t1", "t2", "t3"]
    assert trajectory.table().num_rows == 7


def test_a_runs_folder_and_a_path_as_text_are_accepted(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "trajectory").symlink_to(directory)
    assert read_trajectory(str(folder)).path == folder / "trajectory"
    assert read_trajectory(folder).records == read_trajectory(str(directory)).records


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        read_trajectory(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="holds no trajectory yet"):
        read_trajectory(tmp_path)


def test_runs_in_a_folder_that_is_none_are_named(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("arms/plain", "arms/guided", "rounds/0/search/energy"):
        (folder / name).mkdir(parents=True)
        (folder / name / "trajectory").symlink_to(directory)
    (folder / "arms/empty/trajectory").mkdir(parents=True)
    for below, names in (
        (folder, ["arms/guided", "arms/plain", "rounds/0/search/energy"]),
        (folder / "arms", ["guided", "plain"]),
    ):
        with pytest.raises(ConfigError) as caught:
            read_trajectory(below)
        runs = [f"\n  - {below / name}" for name in names]
        assert str(caught.value) == f"{below} is no run, but holds {len(runs)} runs: name one{''.join(runs)}"
    with pytest.raises(ConfigError, match="holds no trajectory yet"):
        read_trajectory(folder / "arms/empty")


def test_one_damaged_shard_is_named(directory: Path) -> None:
    (directory / "part-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(TrajectoryError, match=r"part-000001\.parquet"):
        read_trajectory(directory)


async def test_a_written_search_is_read_back_equal(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any]
) -> None:
    record, rows = make_theorem("t1", "proved")
    async with ShardWriter(tmp_path, TRAJECTORY_FORMAT, run=make_run()) as writer:
        await writer.write(record, rows)
    trajectory = read_trajectory(tmp_path)
    assert trajectory.records == (record,)
    assert list(trajectory.rows()) == rows


async def test_a_lost_search_is_not_completed(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any]
) -> None:
    async with ShardWriter(tmp_path, TRAJECTORY_FORMAT, run=make_run()) as writer:
        await writer.write(*make_theorem("t1", "infrastructure"))
        await writer.write(*make_theorem("t2", "exhausted"))
        assert writer.completed().keys() == {"t2"}


@pytest.mark.parametrize("stray", [{"theorem": "t2"}, {"run_id": "run-9"}])
async def test_rows_of_another_search_are_refused(
    tmp_path: Path, make_run: Callable[..., RunInfo], make_theorem: Callable[..., Any], stray: dict[str, str]
) -> None:
    record, rows = make_theorem("t1")
    async with ShardWriter(tmp_path, TRAJECTORY_FORMAT, run=make_run()) as writer:
        with pytest.raises(ValueError, match="rows of another theorem or run"):
            await writer.write(record, [*rows, attrs.evolve(rows[0], **stray)])


# --- kill -9 ------------------------------------------------------------------------------------
VICTIM = """
import asyncio, sys
import attrs
from leanebm.core import NodeStatus, SearchOutcome, Theorem
from leanebm.storage import RunInfo, ShardWriter, ShardWriterConfig
from leanebm.trajectory import TheoremRecord, TrajectoryRow, TRAJECTORY_FORMAT

run = RunInfo(run_id=sys.argv[2], started_unix_s=0.0, seed=0, backend="toy", lean_version="none",
              leanebm_version="0", config={})
row = TrajectoryRow(run_id=run.run_id, theorem="", statement="s", outcome=SearchOutcome.EXHAUSTED, node=0, parent=-1,
                    state_key="k", state_text="t", num_goals=1, tactic=None, log_prob=0.0, path_log_prob=0.0,
                    priority=0.0, depth=0, remaining_depth=-1, on_proof_path=False, status=NodeStatus.DEAD,
                    started_unix_s=0.0, found_s=0.0, tactic_s=0.0, worker_epoch=0, backend="toy", seed=0)

async def search(writer, name):
    theorem, outcome = Theorem(name=name, statement="s"), SearchOutcome.EXHAUSTED
    record = TheoremRecord(theorem=theorem, run_id=run.run_id, outcome=outcome, started_unix_s=0.0,
                           nodes=50, expansions=50, tactic_calls=0, wall_s=0.0)
    await writer.write(record, [attrs.evolve(row, theorem=name, node=i) for i in range(50)])
    print(name, flush=True)  # this is what was reported

async def main():
    config = ShardWriterConfig(max_wait_s=0.0)
    async with ShardWriter(sys.argv[1], TRAJECTORY_FORMAT, run=run, config=config) as writer:
        done = writer.completed()
        for i in range(0, 1_000_000, 3):
            names = [f"t{j}" for j in range(i, i + 3) if f"t{j}" not in done]
            await asyncio.gather(*(search(writer, name) for name in names))

asyncio.run(main())
"""


def test_a_run_that_is_killed_has_lost_nothing_that_it_reported(tmp_path: Path) -> None:
    reported: list[str] = []
    for attempt, num_lines in enumerate([1, 7, 12]):
        with subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), f"run-{attempt}"], stdout=subprocess.PIPE, text=True
        ) as victim:
            assert victim.stdout is not None
            reported += [victim.stdout.readline().strip() for _ in range(num_lines)]
            victim.send_signal(signal.SIGKILL)
            reported += victim.stdout.read().split()
        assert victim.returncode == -signal.SIGKILL

        trajectory = read_trajectory(tmp_path)
        names = [record.theorem.name for record in trajectory.records]
        assert set(reported) <= set(names)
        assert len(reported) == len(set(reported)), "a resumed run does not repeat what is done"
        per_theorem = trajectory.table().group_by("theorem").aggregate([("node", "count")])
        assert dict(zip(*(column.to_pylist() for column in per_theorem.columns), strict=True)) == dict.fromkeys(
            names, 50
        )
