from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

from leanebm.core import ContrastiveGroup
from leanebm.energy.training import ContrastiveData, GroupBatch, GroupSampler, SamplerConfig

MakeGroup = Callable[..., ContrastiveGroup]
Embed = Callable[..., dict[str, Any]]


@pytest.fixture
def data(make_group: MakeGroup, embed: Embed) -> ContrastiveData:
    """``long`` has three decision points of three siblings each, ``short`` one of three."""
    groups = [
        make_group(
            f"long{i}",
            f"long{i + 1}",
            [f"long{i}.{letter}" for letter in "abc"],
            theorem="long",
            depth=i,
            remaining_depth=3 - i,
        )
        for i in range(3)
    ]
    groups.append(make_group("short0", "short1", [f"short0.{letter}" for letter in "abc"], theorem="short"))
    return ContrastiveData.from_groups(groups, embed(groups))


def sample(data: ContrastiveData, steps: int = 1, *, seed: int = 0, **settings: Any) -> list[GroupBatch]:
    sampler = GroupSampler(data, SamplerConfig(**{"batch_groups": 32, "num_negatives": 3, **settings}), seed=seed)
    return [sampler.batch(step) for step in range(steps)]


def tier(data: ContrastiveData, group: int, state: int) -> str:
    """Where a negative comes from, told from the names of states."""
    parent, negative = data.texts[data.parent[group]], data.texts[state].split(".")[0]
    if parent == negative:
        return "sibling"
    return "same theorem" if parent[:-1] == negative[:-1] else "other theorem"


def test_a_step_draws_the_same_wherever_it_is_asked_for(data: ContrastiveData) -> None:
    run = sample(data, 5)
    resumed = GroupSampler(data, SamplerConfig(batch_groups=32, num_negatives=3), seed=0).batch(4)

    for name in (field.name for field in attrs.fields(GroupBatch)):
        assert np.array_equal(getattr(run[4], name), getattr(resumed, name))
    assert not np.array_equal(run[3].negative, run[4].negative)
    assert not np.array_equal(sample(data, seed=1)[0].negative, run[0].negative)


def test_negatives_come_from_their_tiers_in_their_shares(data: ContrastiveData) -> None:
    counts: Counter[str] = Counter()
    for batch in sample(data, 200, hard_fraction=0.5, medium_fraction=0.25):
        of_long = data.theorem[batch.group] == 0
        for group, negatives in zip(batch.group[of_long], batch.negative[of_long], strict=True):
            counts.update(tier(data, group, state) for state in negatives)

    total = counts.total()
    assert counts["sibling"] / total == pytest.approx(0.5, abs=0.03)
    assert counts["same theorem"] / total == pytest.approx(0.25, abs=0.03)
    assert counts["other theorem"] / total == pytest.approx(0.25, abs=0.03)


def test_siblings_are_marked_and_drawn_without_repetition(data: ContrastiveData) -> None:
    for batch in sample(data, 20, hard_fraction=1.0, medium_fraction=0.0):
        assert batch.is_sibling.all()
        assert batch.mask.all()
        for group, negatives in zip(batch.group, batch.negative, strict=True):
            own = data.negative[data.negative_start[group] : data.negative_start[group + 1]]
            assert sorted(negatives) == sorted(own)


def test_every_sibling_gets_its_turn_in_every_place(data: ContrastiveData) -> None:
    batches = sample(data, 20, hard_fraction=1.0, medium_fraction=0.0, num_negatives=1)

    drawn = Counter(int(state) for batch in batches for state in batch.negative[:, 0])
    assert set(drawn) == set(data.negative.tolist())


def test_places_that_siblings_leave_go_to_the_theorem_and_then_to_others(data: ContrastiveData) -> None:
    for batch in sample(data, 5, hard_fraction=1.0, medium_fraction=0.0, num_negatives=5):
        assert batch.mask.all()
        for group, negatives in zip(batch.group, batch.negative, strict=True):
            tiers = Counter(tier(data, group, state) for state in negatives)
            fallback = "same theorem" if data.theorem[group] == 0 else "other theorem"
            assert tiers == {"sibling": 3, fallback: 2}


def test_places_that_nothing_fits_are_masked(make_group: MakeGroup, embed: Embed) -> None:
    groups = [make_group(negatives=["a", "b"])]
    data = ContrastiveData.from_groups(groups, embed(groups))

    (batch,) = sample(data, num_negatives=4)

    assert (batch.mask.sum(axis=1) <= 2).all()
    assert np.array_equal(batch.mask, batch.is_sibling)


def test_data_without_any_negative_gives_batches_that_are_masked_throughout(
    make_group: MakeGroup, embed: Embed
) -> None:
    groups = [make_group()]
    (batch,) = sample(ContrastiveData.from_groups(groups, embed(groups)))

    assert not batch.mask.any()
    assert batch.negative.shape == (32, 3)


def test_theorems_are_drawn_evenly_and_then_their_groups(data: ContrastiveData) -> None:
    groups = Counter(int(group) for batch in sample(data, 200) for group in batch.group)

    total = groups.total()
    assert groups[3] / total == pytest.approx(1 / 2, abs=0.03)
    for group in range(3):
        assert groups[group] / total == pytest.approx(1 / 6, abs=0.03)


def test_another_theorem_s_negative_that_leads_on_here_is_masked(make_group: MakeGroup, embed: Embed) -> None:
    groups = [
        make_group("a0", "shared", ["a1"], theorem="a"),
        make_group("b0", "b1", ["shared"], theorem="b"),
    ]
    data = ContrastiveData.from_groups(groups, embed(groups))

    for batch in sample(data, 10, hard_fraction=0.0, medium_fraction=0.0):
        is_own_positive = batch.negative == batch.positive[:, None]
        assert is_own_positive[batch.group == 0].all()
        assert not batch.mask[is_own_positive].any()
        assert batch.mask[~is_own_positive].all()


def test_a_state_along_the_path_is_of_the_same_theorem_and_elsewhere_on_it(data: ContrastiveData) -> None:
    seen = set()
    for batch in sample(data, 50):
        for group, state, remaining in zip(
            batch.group[batch.has_path],
            batch.along_path[batch.has_path],
            batch.along_path_remaining[batch.has_path],
            strict=True,
        ):
            name, theorem = data.texts[state], data.theorems[data.theorem[group]]
            assert name.startswith(theorem)
            length = 3 if theorem == "long" else 1
            assert remaining == length + 1 - int(name[-1])
            assert remaining != data.remaining_depth[group]
            seen.add((data.texts[data.positive[group]], name))
    assert len(seen) == 3 * 3 + 1


def test_weights_are_those_of_the_drawn_negatives(make_group: MakeGroup, embed: Embed) -> None:
    groups = [make_group(negatives=["maybe"], dead=["dead"])]
    data = ContrastiveData.from_groups(groups, embed(groups))

    (batch,) = sample(data, num_negatives=2, hard_fraction=1.0, medium_fraction=0.0)

    by_state = {data.texts[s]: w for s, w in zip(batch.negative.ravel(), batch.weight.ravel(), strict=True)}
    assert by_state == {"maybe": 0.5, "dead": 1.0}


def test_rows_are_positives_negatives_and_states_along_the_path(data: ContrastiveData) -> None:
    (batch,) = sample(data)

    assert batch.sizes == (32, 96, 32)
    assert np.array_equal(batch.rows[32:128].reshape(32, 3), batch.negative)


def test_shares_of_more_than_the_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="more than the whole"):
        SamplerConfig(hard_fraction=0.7, medium_fraction=0.4)
