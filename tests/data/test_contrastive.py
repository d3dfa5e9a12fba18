from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, Evidence, NegativeState, TacticFate, Theorem
from leanebm.data import (
    CONTRASTIVE_FORMAT,
    CONTRASTIVE_SCHEMA,
    ContrastiveRecord,
    ReplayOutcome,
    read_contrastive_set,
)
from leanebm.errors import ConfigError, TrajectoryError
from leanebm.storage import RunInfo, Shard, ShardWriter
from leanebm.trajectory import read_trajectory

RUN = RunInfo(
    run_id="r", started_unix_s=0.0, seed=0, backend="toy", lean_version="toy", leanebm_version="0", config={"n": 1}
)

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)

log_probs = st.floats(max_value=0.0, allow_nan=False, allow_infinity=False)

negatives = st.builds(
    NegativeState, text=texts, key=texts, tactic=texts, log_prob=log_probs, evidence=st.sampled_from(Evidence)
)

groups = st.builds(
    ContrastiveGroup,
    theorem=st.just("t"),
    module=st.text(st.characters(codec="utf-8"), max_size=10),
    parent_text=texts,
    parent_key=texts,
    positive_text=texts,
    positive_key=texts,
    positive_tactic=texts,
    positive_log_prob=st.none() | log_probs,
    negatives=st.lists(negatives, max_size=4).map(tuple),
    depth=st.integers(0, 1000),
    remaining_depth=st.integers(1, 1000),
    source=st.sampled_from(["replay", "search"]),
    round=st.integers(0, 9),
)


def record(name: str = "t", **changes: Any) -> ContrastiveRecord:
    theorem = Theorem(name=name, statement="True")
    return attrs.evolve(
        ContrastiveRecord(
            theorem=theorem, run_id="r", outcome=ReplayOutcome.VERIFIED, num_steps=2, fates={TacticFate.KEPT: 3}
        ),
        **changes,
    )


def group(name: str = "t") -> ContrastiveGroup:
    return ContrastiveGroup(
        theorem=name,
        parent_text="⊢ a",
        parent_key="a",
        positive_text="⊢ b",
        positive_key="b",
        positive_tactic="go",
        depth=0,
        remaining_depth=1,
        source="replay",
    )


@given(st.lists(groups, max_size=5))
def test_groups_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, given_groups: list[ContrastiveGroup]
) -> None:
    path = tmp_path_factory.mktemp("groups") / "part-000000.parquet"
    Shard.write(path, CONTRASTIVE_FORMAT, RUN, [record()], given_groups)
    found = read_contrastive_set(path)
    assert list(found.rows()) == given_groups
    assert found.records == (record(),)


async def test_a_lost_theorem_is_replayed_again(tmp_path: Path) -> None:
    async with ShardWriter(tmp_path, CONTRASTIVE_FORMAT, run=RUN) as writer:
        await writer.write(record("lost", outcome=ReplayOutcome.INFRASTRUCTURE), [])
        await writer.write(record("bad", outcome=ReplayOutcome.REFUSED), [])
        await writer.write(record("good"), [group("good")])
    async with ShardWriter(tmp_path, CONTRASTIVE_FORMAT, run=attrs.evolve(RUN, run_id="r2")) as writer:
        assert writer.completed().keys() == {"bad", "good"}
        await writer.write(record("lost", run_id="r2"), [group("lost")])
    found = read_contrastive_set(tmp_path)
    assert {each.theorem.name: each.outcome for each in found.records} == {
        "lost": "verified",
        "bad": "refused",
        "good": "verified",
    }
    assert [each.theorem for each in found.rows()] == ["good", "lost"]


async def test_a_group_of_another_theorem_is_refused(tmp_path: Path) -> None:
    async with ShardWriter(tmp_path, CONTRASTIVE_FORMAT, run=RUN) as writer:
        with pytest.raises(ValueError, match="rows of another theorem"):
            await writer.write(record("t"), [group("u")])


async def test_other_settings_are_refused(tmp_path: Path) -> None:
    async with ShardWriter(tmp_path, CONTRASTIVE_FORMAT, run=RUN) as writer:
        await writer.write(record(), [group()])
    with pytest.raises(ConfigError, match=r"\$\.config\.n: 2, not 1"):
        async with ShardWriter(tmp_path, CONTRASTIVE_FORMAT, run=attrs.evolve(RUN, config={"n": 2})):
            pytest.fail("it must not be entered")


def test_what_is_no_set_of_groups_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part-000000.parquet"
    with pytest.raises(ConfigError, match="holds no set of contrastive groups yet"):
        read_contrastive_set(tmp_path)
    path.write_bytes(b"PAR1")
    with pytest.raises(TrajectoryError, match=r"part-000000\.parquet cannot be read"):
        read_contrastive_set(tmp_path)
    pq.write_table(pa.table({"x": [1]}), path)
    with pytest.raises(ConfigError, match="but not a set of contrastive groups"):
        read_contrastive_set(tmp_path)


def test_groups_and_search_trees_are_not_taken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "part-000000.parquet"
    Shard.write(path, CONTRASTIVE_FORMAT, RUN, [record()], [group()])
    with pytest.raises(ConfigError, match="is a Parquet file but not a trajectory"):
        read_trajectory(path)


def test_another_version_or_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "part-000000.parquet"
    Shard.write(path, CONTRASTIVE_FORMAT, RUN, [record()], [group()])
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["round"]), path)
    with pytest.raises(TrajectoryError, match="its columns are not that version's"):
        read_contrastive_set(path)
    metadata = dict(table.schema.metadata) | {b"leanebm.contrastive.schema_version": b"7"}
    pq.write_table(table.replace_schema_metadata(metadata), path)
    with pytest.raises(TrajectoryError, match="has schema version 7; this leanebm reads and writes 1"):
        read_contrastive_set(path)


def test_there_is_a_column_for_each_field() -> None:
    assert CONTRASTIVE_SCHEMA.names == [field.name for field in attrs.fields(ContrastiveGroup)]
    struct = CONTRASTIVE_SCHEMA.field("negatives").type.value_type
    assert [struct.field(i).name for i in range(struct.num_fields)] == [
        field.name for field in attrs.fields(NegativeState)
    ]


@pytest.mark.parametrize("outcome", ReplayOutcome)
def test_only_what_may_end_otherwise_next_time_is_tried_again(outcome: ReplayOutcome) -> None:
    record = ContrastiveRecord(theorem=Theorem(name="t", statement="True"), run_id="r", outcome=outcome, num_steps=1)
    assert record.is_final == (outcome not in ("infrastructure", "tactic_timed_out"))


def test_an_outcome_is_one_of_those() -> None:
    word: Any = "verified"
    with pytest.raises(TypeError, match="outcome"):
        ContrastiveRecord(theorem=Theorem(name="t", statement="True"), run_id="r", outcome=word, num_steps=1)
