from __future__ import annotations

import attrs
import pytest

from leanebm.energy.diagnostics import DataAudit

from .planted import planted_groups


def test_everything_is_counted() -> None:
    groups = planted_groups(theorems=5)
    audit = DataAudit.of([*groups, attrs.evolve(groups[0], negatives=())])
    assert audit.groups == len(groups) + 1
    assert audit.groups_with_negatives == len(groups)
    assert audit.negatives == sum(len(group.negatives) for group in groups)
    assert (audit.theorems, audit.families) == (5, 5)
    assert audit.dual_label_rate == 0.0


def test_a_state_with_both_labels_contradicts_itself() -> None:
    first, second, *rest = planted_groups(theorems=5)
    assert first.theorem == second.theorem
    dual = attrs.evolve(first, negatives=(attrs.evolve(first.negatives[0], key=second.positive_key),))
    audit = DataAudit.of([dual, second, *rest])
    assert audit.dual_label_rate == pytest.approx(1 / audit.states)


def test_the_same_state_in_two_theorems_does_not() -> None:
    groups = planted_groups(theorems=2)
    mine, theirs = groups[0], groups[-1]
    shared = attrs.evolve(mine, negatives=(attrs.evolve(mine.negatives[0], key=theirs.positive_key),))
    assert DataAudit.of([shared, theirs]).dual_label_rate == 0.0


def test_no_groups_are_no_trouble() -> None:
    assert DataAudit.of([]).metrics() == {}
