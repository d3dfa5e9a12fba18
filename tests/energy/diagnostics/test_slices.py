from __future__ import annotations

import attrs
import numpy as np

from leanebm.energy.diagnostics import SiblingSet, sibling_slices

from .planted import planted_energies, planted_groups


def test_every_decision_point_is_in_one_part_of_each_kind() -> None:
    groups = planted_groups(theorems=30)
    slices = sibling_slices(SiblingSet.from_groups(groups, planted_energies(groups)))
    for by in ("depth", "length", "source"):
        assert sum(each.groups for each in slices if each.by == by) == len(groups)
    assert {each.label for each in slices if each.by == "evidence"} == {"dead", "unknown"}


def test_a_slice_that_is_bad_shows() -> None:
    groups = planted_groups(theorems=60)
    siblings = SiblingSet.from_groups(groups, planted_energies(groups))
    deep = siblings.depth >= 4
    broken = attrs.evolve(siblings, positive_energy=np.where(deep, 50.0, siblings.positive_energy))
    by_label = {each.label: each.pairwise.value for each in sibling_slices(broken) if each.by == "depth"}
    assert by_label["4–7"] == 0.0
    assert by_label["0–1"] is not None
    assert by_label["0–1"] > 0.7
