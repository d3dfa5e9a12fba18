from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, Evidence
from leanebm.energy.training import ContrastiveData, TheoremPaths, state_texts, tidy_groups
from leanebm.errors import EnergyError

MakeGroup = Callable[..., ContrastiveGroup]

Embed = Callable[..., dict[str, Any]]


@pytest.fixture
def groups(make_group: MakeGroup) -> list[ContrastiveGroup]:
    return [
        make_group("b0", "b1", ["off", "b2"], theorem="beta", remaining_depth=1),
        make_group("a0", "a1", ["off"], ["a2"], theorem="alpha", remaining_depth=2),
        make_group("a1", "a3", theorem="alpha", depth=1, remaining_depth=1),
    ]


def test_every_state_is_stored_once_with_its_own_embedding(groups: list[ContrastiveGroup], embed: Embed) -> None:
    embeddings = embed(groups)

    data = ContrastiveData.from_groups(groups, embeddings)

    assert sorted(data.texts) == sorted({"a0", "a1", "a2", "a3", "b0", "b1", "b2", "off"})
    for text, state in zip(data.texts, data.states.numpy(), strict=True):
        assert np.array_equal(state, embeddings[text])


def test_groups_of_a_theorem_stand_side_by_side(groups: list[ContrastiveGroup], embed: Embed) -> None:
    data = ContrastiveData.from_groups(groups, embed(groups))

    assert data.theorems == ("alpha", "beta")
    assert data.theorem.tolist() == [0, 0, 1]
    assert data.theorem_start.tolist() == [0, 2, 3]
    assert [data.texts[i] for i in data.parent] == ["a0", "a1", "b0"]
    assert [data.texts[i] for i in data.positive] == ["a1", "a3", "b1"]
    assert data.depth.tolist() == [0, 1, 0]
    assert data.remaining_depth.tolist() == [2, 1, 1]


def test_siblings_are_padded_and_masked(groups: list[ContrastiveGroup], embed: Embed) -> None:
    data = ContrastiveData.from_groups(groups, embed(groups))

    padded, mask = data.siblings
    assert mask.tolist() == [[True, True], [False, False], [True, True]]
    assert [data.texts[i] for i in padded[mask]] == ["off", "a2", "off", "b2"]


def test_a_negative_weighs_as_much_as_its_evidence(groups: list[ContrastiveGroup], embed: Embed) -> None:
    data = ContrastiveData.from_groups(groups, embed(groups))

    assert data.negative_weight.tolist() == [0.5, 1.0, 0.5, 0.5]


def test_a_theorem_s_path_runs_from_the_end_of_its_proof_to_the_root(
    groups: list[ContrastiveGroup], embed: Embed
) -> None:
    data = ContrastiveData.from_groups(groups, embed(groups))

    assert [data.texts[i] for i in data.paths.state] == ["a3", "a1", "a0", "b1", "b0"]
    assert data.paths.remaining_depth.tolist() == [1, 2, 3, 1, 2]
    assert data.paths.start.tolist() == [0, 3, 5]


def test_a_group_without_negatives_is_data_all_the_same(make_group: MakeGroup, embed: Embed) -> None:
    groups = [make_group()]

    data = ContrastiveData.from_groups(groups, embed(groups))

    assert len(data) == 1
    assert not data.siblings[1].any()


def test_arrays_of_the_array_module_are_embeddings(make_group: MakeGroup) -> None:
    data = ContrastiveData.from_groups(
        [make_group("a", "b")], {"a": array("f", [1.0, 2.0]), "b": array("f", [3.0, 4.0])}
    )

    assert data.states.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_fingerprint_tells_any_change(groups: list[ContrastiveGroup], make_group: MakeGroup, embed: Embed) -> None:
    embeddings = embed(groups)
    data = ContrastiveData.from_groups(groups, embeddings)
    changed = {**embeddings, "a2": embeddings["a2"] + 1.0}
    dead = [make_group("b0", "b1", ["b2"], ["off"], theorem="beta"), *groups[1:]]
    renamed = [make_group("b0", "b1", ["off", "b2"], theorem="gamma"), *groups[1:]]

    others = [
        ContrastiveData.from_groups(groups, changed),
        ContrastiveData.from_groups(dead, embeddings),
        ContrastiveData.from_groups(renamed, embeddings),
        ContrastiveData.from_groups(groups[1:], embeddings),
    ]

    assert ContrastiveData.from_groups(groups[::-1], embeddings).fingerprint == data.fingerprint
    assert len({data.fingerprint, *(other.fingerprint for other in others)}) == 5


def test_no_groups_are_refused() -> None:
    with pytest.raises(EnergyError, match="no contrastive groups"):
        ContrastiveData.from_groups([], {})


def test_missing_embeddings_are_counted_and_named(groups: list[ContrastiveGroup], embed: Embed) -> None:
    embeddings = embed(groups)
    del embeddings["a2"], embeddings["b1"]

    with pytest.raises(EnergyError, match="2 of 8 states have no embedding, such as 'a2'"):
        ContrastiveData.from_groups(groups, embeddings)


def test_embeddings_of_two_widths_are_refused_with_both(make_group: MakeGroup) -> None:
    with pytest.raises(EnergyError, match=r"'a' has 2 numbers, 'b' has shape \[3\]"):
        ContrastiveData.from_groups([make_group("a", "b")], {"a": np.ones(2), "b": np.ones(3)})


def test_zero_and_non_finite_embeddings_are_refused_together(groups: list[ContrastiveGroup], embed: Embed) -> None:
    embeddings = embed(groups)
    embeddings["a0"] = np.zeros(4)
    embeddings["b1"] = np.array([0.0, np.nan, 1.0, 1.0])
    embeddings["b2"] = np.array([0.0, np.inf, 1.0, 1.0])

    with pytest.raises(EnergyError) as caught:
        ContrastiveData.from_groups(groups, embeddings)

    assert "1 of 8 are all zero, such as that of 'a0'" in str(caught.value)
    assert "2 of 8 are not finite, such as that of 'b1'" in str(caught.value)


def test_an_encoder_that_says_the_same_of_many_states_is_refused(groups: list[ContrastiveGroup], embed: Embed) -> None:
    embeddings = embed(groups)
    embeddings["a0"] = embeddings["a1"]

    with pytest.raises(
        EnergyError, match=r"1 of 8 states have the same vector .* 'a0' and 'a1'; at most 10%"
    ) as caught:
        ContrastiveData.from_groups(groups, embeddings)

    assert "raise the encoder's length limit" in str(caught.value)


def test_a_rare_collision_of_vectors_is_let_pass(make_group: MakeGroup, embed: Embed) -> None:
    groups = [make_group("root", "next", [f"n{i}" for i in range(20)])]
    embeddings = embed(groups)
    embeddings["n0"] = embeddings["n1"]

    assert len(ContrastiveData.from_groups(groups, embeddings).states) == 22


def test_texts_to_encode_are_named_once_each(groups: list[ContrastiveGroup]) -> None:
    assert state_texts(groups) == ("b0", "b1", "off", "b2", "a0", "a1", "a2", "a3")


MakeGroup_tidy = Callable[..., ContrastiveGroup]


def test_a_step_told_twice_becomes_one_group_with_the_negatives_of_both(make_group: MakeGroup_tidy) -> None:
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


def test_another_theorem_or_another_positive_is_another_step(make_group: MakeGroup_tidy) -> None:
    groups = [make_group(), make_group(theorem="other"), make_group(positive="elsewhere")]

    assert tidy_groups(groups).groups == tuple(groups)


def test_a_negative_is_dead_only_if_all_call_it_dead(make_group: MakeGroup_tidy) -> None:
    tidy = tidy_groups([make_group(dead=["a", "b"]), make_group(dead=["a"], negatives=["b"])])

    evidence = {negative.key: negative.evidence for negative in tidy.groups[0].negatives}
    assert evidence == {"a": Evidence.DEAD, "b": Evidence.UNKNOWN}


def test_a_negative_on_another_path_of_its_theorem_is_dropped(make_group: MakeGroup_tidy) -> None:
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


def test_tidy_groups_stay_as_they_are(make_group: MakeGroup_tidy) -> None:
    once = tidy_groups([make_group(negatives=["a", "root"]), make_group(dead=["a"])])
    twice = tidy_groups(once.groups)

    assert twice.groups == once.groups
    assert (twice.merged, twice.dual_labels) == (0, 0)


MENTIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(1, 9)), min_size=1)


@given(mentions=MENTIONS)
def test_a_state_is_on_its_theorem_s_path_once_at_its_smallest_remaining_depth(
    mentions: list[tuple[int, int, int]],
) -> None:
    theorem, state, remaining = np.array(mentions, dtype=np.int64).T

    paths = TheoremPaths.of(theorem=theorem, state=state, remaining_depth=remaining, num_theorems=4)

    for number in range(4):
        own = slice(paths.start[number], paths.start[number + 1])
        expected: dict[int, int] = {}
        for _, one, depth in (mention for mention in mentions if mention[0] == number):
            expected[one] = min(depth, expected.get(one, depth))
        assert dict(zip(paths.state[own].tolist(), paths.remaining_depth[own].tolist(), strict=True)) == expected
        assert len(paths.state[own]) == len(expected)
        assert (np.diff(paths.remaining_depth[own]) >= 0).all()
