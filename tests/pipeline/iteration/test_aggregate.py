from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ContrastiveGroup, Evidence, NegativeState, Theorem
from leanebm.data import read_contrastive_set, read_tactic_pairs
from leanebm.pipeline import RunConfig, SearchRun, WorkbenchOpener, certified_proofs, read_search_groups
from leanebm.pipeline.iteration.aggregate import Aggregate, digest_of_groups, settle, shortest_proofs
from leanebm.search.scorers import CumulativeLogProb
from leanebm.testing import ScriptedPolicy, ToyWorld

STATES = st.sampled_from("abcdef")
EVIDENCE = st.sampled_from(Evidence)


@st.composite
def groups(draw: st.DrawFn) -> ContrastiveGroup:
    parent, positive = draw(st.lists(STATES, min_size=2, max_size=2, unique=True))
    negatives = draw(st.lists(st.tuples(STATES, EVIDENCE), max_size=4, unique_by=lambda each: each[0]))
    return ContrastiveGroup(
        theorem=draw(st.sampled_from(["one", "two"])),
        parent_text=parent,
        parent_key=parent,
        positive_text=positive,
        positive_key=positive,
        positive_tactic="step",
        negatives=tuple(
            NegativeState(text=name, key=name, tactic=f"to {name}", log_prob=-1.0, evidence=evidence)
            for name, evidence in negatives
        ),
        depth=draw(st.integers(0, 3)),
        remaining_depth=draw(st.integers(1, 3)),
        source=draw(st.sampled_from(["search", "replay"])),
        round=draw(st.integers(0, 2)),
    )


SETS = st.lists(groups(), max_size=8)


@given(kept=SETS, others=SETS)
def test_a_state_has_one_label_positive_before_unknown_before_dead(
    kept: list[ContrastiveGroup], others: list[ContrastiveGroup]
) -> None:
    settled = settle(kept, others)
    everything = [*kept, *others]
    for theorem in ("one", "two"):
        own = [group for group in everything if group.theorem == theorem]
        positive = {key for group in own for key in (group.parent_key, group.positive_key)}
        unknown = {each.key for group in own for each in group.negatives if each.evidence is Evidence.UNKNOWN}
        found = {each for group in settled if group.theorem == theorem for each in group.negatives}
        wanted = {each.key for group in kept if group.theorem == theorem for each in group.negatives} - positive
        assert {each.key for each in found} == wanted
        assert {each.key for each in found if each.evidence is Evidence.UNKNOWN} == wanted & unknown


@given(kept=SETS, others=SETS, seed=st.integers(0, 9))
def test_the_order_in_which_groups_come_makes_no_difference(
    kept: list[ContrastiveGroup], others: list[ContrastiveGroup], seed: int
) -> None:
    shuffled = random.Random(seed).sample(kept, len(kept))  # noqa: S311 - not a secret
    assert settle(shuffled, others) == settle(kept, others)
    assert digest_of_groups(shuffled) == digest_of_groups(kept)


@given(kept=SETS)
def test_each_step_of_a_theorem_is_there_once(kept: list[ContrastiveGroup]) -> None:
    steps = [(group.theorem, group.parent_key, group.positive_key) for group in settle(kept)]
    assert sorted(steps) == sorted({(group.theorem, group.parent_key, group.positive_key) for group in kept})
    assert settle(settle(kept)) == settle(kept)


WORLD = ToyWorld.countdown(32)
THEOREMS = tuple(Theorem(name=f"n{number}", statement=str(number)) for number in range(1, 32, 2))


@pytest.fixture
async def searches(tmp_path: Path, toy_bench: Callable[..., WorkbenchOpener], config: RunConfig) -> list[Path]:
    """Two rounds, with policies of which each finds some shorter proofs than the other."""
    folders = []
    for seed in (0, 2):
        opening = toy_bench(WORLD, policy=ScriptedPolicy.over(WORLD, seed=seed))
        deep = attrs.evolve(config, scorer=CumulativeLogProb())
        folders.append(tmp_path / str(seed))
        await SearchRun(deep, THEOREMS, folders[-1], opening=opening).run()
    return folders


async def test_the_shortest_proof_of_each_theorem_is_kept_and_its_groups_only(searches: list[Path]) -> None:
    proofs = shortest_proofs(searches)
    of_rounds = [{proof.theorem.name: proof for proof in certified_proofs([folder])} for folder in searches]
    assert [proof.theorem.name for proof in proofs] == sorted(of_rounds[0])
    for proof in proofs:
        assert proof.num_steps == min(found[proof.theorem.name].num_steps for found in of_rounds)
    first, second = ({name: proof.num_steps for name, proof in found.items()} for found in of_rounds)
    assert any(first[name] < second[name] for name in first)
    assert any(first[name] > second[name] for name in first)
    aggregate = Aggregate.gather(searches)
    for proof in proofs:
        steps = sorted(group.depth for group in aggregate.groups if group.theorem == proof.theorem.name)
        assert steps == list(range(proof.num_steps - 1))


async def test_what_a_longer_proof_went_through_is_no_negative(searches: list[Path]) -> None:
    for folders in (searches, searches[::-1]):
        aggregate = Aggregate.gather(folders)
        for theorem in {group.theorem for group in aggregate.groups}:
            on_path = {
                key
                for folder in folders
                for group in read_search_groups(folder)
                if group.theorem == theorem
                for key in (group.parent_key, group.positive_key)
            }
            negatives = {each.key for group in aggregate.groups if group.theorem == theorem for each in group.negatives}
            assert not negatives & on_path


async def test_proofs_shorter_than_asked_for_teach_nothing(searches: list[Path]) -> None:
    aggregate = Aggregate.gather(searches, min_steps=4)
    lengths = {proof.theorem.name: proof.num_steps for proof in aggregate.proofs}
    assert {group.theorem for group in aggregate.groups} == {name for name, length in lengths.items() if length >= 4}
    assert min(lengths.values()) < 4


async def test_an_aggregate_is_written_and_what_was_half_written_is_finished(
    searches: list[Path], tmp_path: Path
) -> None:
    aggregate = Aggregate.gather(searches)
    half = attrs.evolve(aggregate, groups=tuple(group for group in aggregate.groups if group.theorem == "n13"))
    await half.write(tmp_path / "out")
    await aggregate.write(tmp_path / "out")
    assert digest_of_groups(read_contrastive_set(tmp_path / "out/groups").rows()) == digest_of_groups(aggregate.groups)
    pairs = read_tactic_pairs(tmp_path / "out/proofs.jsonl")
    assert {pair.theorem.name for pair in pairs} == {proof.theorem.name for proof in aggregate.proofs}


async def test_a_share_of_the_proofs_of_one_tactic_goes_to_the_policy(searches: list[Path]) -> None:
    aggregate = Aggregate.gather(searches)
    one = next(proof for proof in aggregate.proofs if proof.num_steps == 1)
    many = attrs.evolve(
        aggregate,
        proofs=(
            *(attrs.evolve(one, theorem=attrs.evolve(one.theorem, name=f"easy{number}")) for number in range(200)),
            *(proof for proof in aggregate.proofs if proof.num_steps > 1),
        ),
    )
    longer = len(many.proofs) - 200
    assert many.for_policy(1.0) == many.proofs
    assert len(many.for_policy(0.0)) == longer
    assert 30 < len(many.for_policy(0.25)) - longer < 70
    assert set(many.for_policy(0.25)) < set(many.for_policy(0.5))


async def test_nothing_is_written_where_nothing_was_found(tmp_path: Path) -> None:
    await Aggregate(proofs=(), groups=()).write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
