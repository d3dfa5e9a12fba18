"""Folders of contrastive groups: atomic Parquet shards, one row per decision point."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import pyarrow as pa
from attrs.validators import ge, instance_of

from leanebm._shown import fitting_repr
from leanebm.core import ContrastiveGroup, Evidence, NegativeState, TacticFate, Theorem
from leanebm.storage import ShardFormat, ShardSet, read_shards
from leanebm.storage.parquet import column


class ReplayOutcome(enum.StrEnum):
    """How the replay of a known proof ended. Only ``VERIFIED`` gives groups."""

    VERIFIED = "verified"
    """Every tactic ran, no goal was left, and the whole proof was certified."""

    REFUSED = "refused"
    """The statement or its header does not elaborate."""

    TACTIC_REJECTED = "tactic_rejected"
    """Lean refused one of the proof's own tactics."""

    TACTIC_TIMED_OUT = "tactic_timed_out"
    """One of them ran into a limit. On another day it may not, so it is tried again on resume."""

    UNFINISHED = "unfinished"
    """All tactics ran, and goals are left."""

    UNCERTIFIED = "uncertified"
    """No goal was left, and the certifier did not accept the proof."""

    INFRASTRUCTURE = "infrastructure"
    """Something broke. It says nothing about the proof and is tried again on resume."""


@attrs.frozen(kw_only=True)
class ContrastiveRecord:
    """One theorem of a set of contrastive groups."""

    theorem: Theorem
    module: str = ""
    """The library module it was taken from; empty if it is from no library."""

    run_id: str
    """The run that replayed it."""

    outcome: ReplayOutcome = attrs.field(validator=instance_of(ReplayOutcome))

    message: str = ""
    """What went wrong, in Lean's own words where there are some; empty if nothing did."""

    failed_step: int = -1
    """Which of the proof's tactics failed, from 0; −1 if none did."""

    num_steps: int = attrs.field(validator=ge(1))
    """Tactics of the proof."""

    num_groups: int = attrs.field(default=0, validator=ge(0))
    fates: Mapping[TacticFate, int] = attrs.field(factory=dict)
    """How many of the policy's candidates met each fate."""

    tactic_calls: int = attrs.field(default=0, validator=ge(0))
    """Tactics that Lean ran and answered, closers included."""

    wall_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds that the theorem took."""

    policy_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Of these, seconds spent waiting for candidates."""

    lean_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for tactics."""

    certify_s: float = attrs.field(default=0.0, validator=ge(0.0))
    """Seconds spent waiting for the certifier."""

    __repr__ = fitting_repr

    @property
    def is_final(self) -> bool:
        """Whether something is known of the proof, so that it need not be replayed again."""
        return self.outcome not in (ReplayOutcome.TACTIC_TIMED_OUT, ReplayOutcome.INFRASTRUCTURE)


CONTRASTIVE_SCHEMA_VERSION: Final = 1

_NEGATIVE: Final = pa.struct(
    [
        column("text", pa.string()),
        column("key", pa.string()),
        column("tactic", pa.string()),
        column("log_prob", pa.float64(), unit="nat"),
        column("evidence", pa.string()),
    ]
)

CONTRASTIVE_SCHEMA: Final = pa.schema(
    [
        column("theorem", pa.string()),
        column("module", pa.string()),
        column("parent_text", pa.string()),
        column("parent_key", pa.string()),
        column("positive_text", pa.string()),
        column("positive_key", pa.string()),
        column("positive_tactic", pa.string()),
        column("positive_log_prob", pa.float64(), unit="nat", nullable=True),
        column("negatives", pa.list_(pa.field("element", _NEGATIVE, nullable=False))),
        column("depth", pa.int32(), unit="tactics"),
        column("remaining_depth", pa.int32(), unit="tactics"),
        column("source", pa.string()),
        column("round", pa.int32()),
    ]
)
"""One column for each field of :class:`~leanebm.core.ContrastiveGroup`, in its order."""


def _table_of(groups: Iterable[ContrastiveGroup]) -> pa.Table:
    return pa.Table.from_pylist([_values(group) for group in groups], schema=CONTRASTIVE_SCHEMA)


def _values(group: ContrastiveGroup) -> dict[str, Any]:
    values = attrs.asdict(group)
    for negative in values["negatives"]:
        negative["evidence"] = negative["evidence"].value
    return values


def _groups_of(table: pa.Table) -> list[ContrastiveGroup]:
    return [_group(values) for values in table.to_pylist()]


def _group(values: dict[str, Any]) -> ContrastiveGroup:
    negatives = tuple(
        NegativeState(**(negative | {"evidence": Evidence(negative["evidence"])}))
        for negative in values.pop("negatives")
    )
    return ContrastiveGroup(**values, negatives=negatives)


def _owns(record: ContrastiveRecord, group: ContrastiveGroup) -> bool:
    return group.theorem == record.theorem.name


CONTRASTIVE_FORMAT: Final = ShardFormat(
    noun="set of contrastive groups",
    prefix="leanebm.contrastive",
    version=CONTRASTIVE_SCHEMA_VERSION,
    schema=CONTRASTIVE_SCHEMA,
    record=ContrastiveRecord,
    table_of=_table_of,
    rows_of=_groups_of,
    owns=_owns,
)
"""The shards of a set of contrastive groups: the decision points are the rows."""


ContrastiveSet = ShardSet[ContrastiveRecord, ContrastiveGroup]
"""Contrastive groups and what became of each theorem; ``rows()`` gives the groups, ``records`` the theorems."""


def read_contrastive_set(path: Path | str) -> ContrastiveSet:
    """Open a folder of contrastive groups, or a single shard of it. Only footers are read.

    Raises:
        ConfigError: there is none at ``path``.
        TrajectoryError: a shard is damaged, of another kind or version.
    """
    return read_shards(path, CONTRASTIVE_FORMAT)
