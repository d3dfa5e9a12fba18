from __future__ import annotations

import math

import attrs
from hypothesis import given
from hypothesis import strategies as st

from leanebm.trajectory import MAX_MESSAGE_CHARS, SCHEMA, SCHEMA_VERSION, Attempt, TrajectoryRow
from leanebm.trajectory.schema import rows_of, table_of

text = st.text(st.characters(exclude_categories=["Cs"]))
reals = st.floats(allow_nan=False, allow_infinity=False)
int32 = st.integers(-1, 2**31 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)

attempts = st.builds(Attempt, tactic=text, log_prob=reals, kind=text, target=int32, message=text, elapsed_s=reals)
rows = st.builds(
    TrajectoryRow,
    run_id=text,
    theorem=text,
    statement=text,
    outcome=text,
    node=int32,
    parent=int32,
    state_key=text,
    state_text=text,
    num_goals=int32,
    tactic=st.none() | text,
    log_prob=reals,
    path_log_prob=reals,
    priority=st.none() | reals,
    energy=st.none() | reals,
    depth=int32,
    remaining_depth=int32,
    on_proof_path=st.booleans(),
    status=text,
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


def test_version_1_is_frozen() -> None:
    """Whoever changes a column changes the version, and so this test."""
    assert SCHEMA_VERSION == 1
    columns = " ".join(f"{field.name}:{field.type}{'?' if field.nullable else ''}" for field in SCHEMA)
    assert columns == (
        "run_id:string theorem:string statement:string outcome:string node:int32 parent:int32 state_key:string "
        "state_text:string num_goals:int32 tactic:string? log_prob:double path_log_prob:double priority:double? "
        "energy:double? depth:int32 remaining_depth:int32 on_proof_path:bool status:string expansion:int32 "
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


def test_an_empty_search_is_an_empty_table() -> None:
    assert table_of([]).schema.equals(SCHEMA)
    assert rows_of(SCHEMA.empty_table()) == []


@given(text)
def test_messages_are_cut_and_say_so(message: str) -> None:
    kept = Attempt(tactic="t", log_prob=-math.inf, kind="rejected", message=message * 40).message
    assert len(kept) <= MAX_MESSAGE_CHARS
    assert kept == message * 40 or kept.endswith("…")
