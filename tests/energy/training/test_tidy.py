from __future__ import annotations

from collections.abc import Callable

from leanebm.core import ContrastiveGroup, Evidence
from leanebm.energy.training import tidy_groups

MakeGroup = Callable[..., ContrastiveGroup]


def test_a_step_told_twice_becomes_one_group_with_the_negatives_of_both(make_group: MakeGroup) -> None:
    tidy = tidy_groups(
        [
            make_group(negatives=["a", "b"], depth=2, remaining_depth=5),
            make_group(negatives=["b", "c"], depth=1, remaining_depth=3),
        ]
    )

    (group,) = tidy.groups
    assert [negative.key for negative in group.negatives] == ["a", "b", "c"]
    assert (group.depth, group.remaining_depth) == (1, 3)
    assert tidy.merged == 1


def test_another_theorem_or_another_positive_is_another_step(make_group: MakeGroup) -> None:
    groups = [make_group(), make_group(theorem="other"), make_group(positive="elsewhere")]

    assert tidy_groups(groups).groups == tuple(groups)


def test_a_negative_is_dead_only_if_all_call_it_dead(make_group: MakeGroup) -> None:
    tidy = tidy_groups([make_group(dead=["a", "b"]), make_group(dead=["a"], negatives=["b"])])

    evidence = {negative.key: negative.evidence for negative in tidy.groups[0].negatives}
    assert evidence == {"a": Evidence.DEAD, "b": Evidence.UNKNOWN}


def test_a_negative_on_another_path_of_its_theorem_is_dropped(make_group: MakeGroup) -> None:
    tidy = tidy_groups(
        [
            make_group("root", "left", ["right", "off"]),
            make_group("root", "right", ["left", "off"]),
            make_group("left", "end", ["root", "off"], depth=1),
            make_group("root", "far", ["right", "left"], theorem="other"),
        ]
    )

    kept = [[negative.key for negative in group.negatives] for group in tidy.groups]
    assert kept == [["off"], ["off"], ["off"], ["right", "left"]]
    assert tidy.dual_labels == 3


def test_tidy_groups_stay_as_they_are(make_group: MakeGroup) -> None:
    once = tidy_groups([make_group(negatives=["a", "root"]), make_group(dead=["a"])])
    twice = tidy_groups(once.groups)

    assert twice.groups == once.groups
    assert (twice.merged, twice.dual_labels) == (0, 0)
