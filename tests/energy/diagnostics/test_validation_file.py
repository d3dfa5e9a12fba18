from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leanebm.energy.diagnostics import FrontierSet, HeadReport, SiblingSet, ValidationStates
from leanebm.errors import EnergyError

from .planted import planted_energies, planted_groups

Examined = tuple[HeadReport, ValidationStates]


def assert_same(left: SiblingSet | FrontierSet, right: SiblingSet | FrontierSet) -> None:
    for field in attrs.fields(type(left)):
        np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name), err_msg=field.name)


def test_states_come_back_as_they_were_saved(healthy: Examined, tmp_path: Path) -> None:
    _, states = healthy
    states.save(tmp_path)
    again = ValidationStates.load(tmp_path)
    assert_same(states.siblings, again.siblings)
    assert states.frontiers is not None
    assert again.frontiers is not None
    assert_same(states.frontiers, again.frontiers)


@pytest.mark.parametrize("theorems", [0, 1, 3])
def test_few_states_come_back_as_well(theorems: int, tmp_path: Path) -> None:
    groups = [attrs.evolve(group, positive_log_prob=None) for group in planted_groups(theorems=theorems)]
    groups[:1] = [attrs.evolve(group, negatives=()) for group in groups[:1]]
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    ValidationStates(siblings=siblings).save(tmp_path)
    again = ValidationStates.load(tmp_path)
    assert_same(siblings, again.siblings)
    assert again.frontiers is None


def test_the_table_is_one_row_a_state(healthy: Examined, tmp_path: Path) -> None:
    _, states = healthy
    table = pq.read_table(states.save(tmp_path))
    assert states.frontiers is not None
    assert len(table) == len(states.siblings) + states.siblings.mask.sum() + len(states.frontiers.energy)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="does not exist"):
        ValidationStates.load(tmp_path)
    (tmp_path / "validation.parquet").write_text("no Parquet")
    with pytest.raises(EnergyError, match="cannot be read"):
        ValidationStates.load(tmp_path)
    pq.write_table(pa.table({"energy": [1.0]}), tmp_path / "validation.parquet")
    with pytest.raises(EnergyError, match="another version"):
        ValidationStates.load(tmp_path)
