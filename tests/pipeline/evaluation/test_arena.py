from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import (
    CertificationResult,
    Proof,
    ProofAdvanced,
    ProofFinished,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import ConfigError, PartBroken, StaleState, StatementError, TrajectoryError, WorkerLost
from leanebm.pipeline import Arena
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.testing import (
    LOST,
    TIMEOUT,
    ScriptedPolicy,
    ToyCertifier,
    ToyWorld,
    check_environment,
    check_policy,
)


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    return Arena(tmp_path / "answers")


@pytest.fixture
def world() -> ToyWorld:
    return ToyWorld.countdown(32)


def theorem(start: str) -> Theorem:
    return Theorem(name=f"n{start}", statement=start)


async def test_it_keeps_the_contracts_of_what_it_stands_before(arena: Arena, world: ToyWorld) -> None:
    for _ in range(2):  # the second time from the file
        await check_environment(arena.environment(world), theorem("2"), proof=["decrement", "done"], rejected="done")
        await check_policy(arena.policy(ScriptedPolicy.over(world)))


async def test_what_is_remembered_is_not_asked_again(arena: Arena, world: ToyWorld) -> None:
    broken = ToyWorld(moves={"8": {}})  # knows the theorem, and no move of it
    for environment in (world, broken):
        async with arena.environment(environment).open(theorem("8")) as proof:
            halved = await proof.run_tactic(proof.root, "halve")
            assert isinstance(halved, ProofAdvanced)
            assert halved.state.goals[0].target == "4"
            refused = await proof.run_tactic(halved.state, "no such")
            assert isinstance(refused, TacticRejected)
            assert refused.message
    assert (arena.asked, arena.remembered) == (2, 2)


async def test_a_theorem_whose_answers_are_all_there_is_not_opened(arena: Arena, world: ToyWorld) -> None:
    async with arena.environment(world).open(theorem("2")) as proof:
        await proof.run_tactic(proof.root, "decrement")
    nothing = ToyWorld(moves={})
    async with arena.environment(nothing).open(theorem("2")) as proof:
        assert isinstance(await proof.run_tactic(proof.root, "decrement"), ProofAdvanced)
    with pytest.raises(StatementError):
        async with arena.environment(nothing).open(theorem("3")):
            pass


async def test_a_missing_answer_is_got_by_the_tactics_that_lead_there(arena: Arena, world: ToyWorld) -> None:
    async with arena.environment(world).open(theorem("12")) as proof:
        half = await proof.run_tactic(proof.root, "halve")
        assert isinstance(half, ProofAdvanced)
        quarter = await proof.run_tactic(half.state, "halve")
        assert isinstance(quarter, ProofAdvanced)
        await proof.free([proof.root, half.state, quarter.state])
    async with arena.environment(world).open(theorem("12")) as proof:
        half = await proof.run_tactic(proof.root, "halve")
        assert isinstance(half, ProofAdvanced)
        quarter = await proof.run_tactic(half.state, "halve")
        assert isinstance(quarter, ProofAdvanced)
        await proof.free([proof.root, half.state])
        new = await proof.run_tactic(quarter.state, "decrement")
        assert isinstance(new, ProofAdvanced)
        assert new.state.goals[0].target == "2"
        assert isinstance(await proof.run_tactic(new.state, "halve"), ProofAdvanced)
        with pytest.raises(StaleState):
            await proof.run_tactic(half.state, "halve")


async def test_answers_outlive_the_process_that_got_them(tmp_path: Path, world: ToyWorld) -> None:
    for asked in (1, 0):
        arena = Arena(tmp_path / "answers")
        async with arena.environment(world).open(theorem("1")) as proof:
            assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
        assert arena.asked == asked


async def test_the_policy_is_asked_once_about_a_state_of_a_theorem_and_again_in_another_attempt(
    arena: Arena, world: ToyWorld
) -> None:
    policy = ScriptedPolicy.over(world)
    for attempt, asked in ((1, 1), (1, 1), (2, 2)):
        async with arena.environment(world).open(theorem("8")) as proof:
            assert len(await arena.policy(policy, attempt=attempt).propose(proof.root, 2)) == 2
        assert len(policy.asked) == asked


async def test_two_open_proofs_of_one_theorem_share_their_answers(arena: Arena, world: ToyWorld) -> None:
    environment = arena.environment(world)
    async with environment.open(theorem("8")) as one:
        async with environment.open(theorem("8")) as other:
            await other.run_tactic(other.root, "halve")
        await one.run_tactic(one.root, "halve")
    assert (arena.asked, arena.remembered) == (1, 1)


def test_answers_of_another_lean_are_refused_with_what_differs(arena: Arena) -> None:
    arena.require({"lean": "4.1", "seed": 0, "tuple": (1, 2)})
    arena.require({"lean": "4.1", "seed": 0, "tuple": (1, 2)})
    with pytest.raises(ConfigError, match=r'"4\.2", there "4\.1" @ lean'):
        arena.require({"lean": "4.2", "seed": 0})


def test_what_was_not_said_before_is_said_from_then_on(arena: Arena) -> None:
    arena.require({"lean": "4.1"})
    arena.require({"policy": None})
    with pytest.raises(ConfigError, match="@ policy"):
        arena.require({"policy": {"model": "m"}})
    with pytest.raises(ConfigError, match="@ lean"):
        arena.require({"lean": "4.2"})


async def test_limits_are_answers_and_lost_workers_are_none(arena: Arena) -> None:
    world = ToyWorld(moves={"a": {"slow": TIMEOUT, "fatal": LOST}})
    for _ in range(2):
        async with arena.environment(world).open(theorem("a")) as proof:
            assert isinstance(await proof.run_tactic(proof.root, "slow"), TacticTimedOut)
            with pytest.raises(WorkerLost):
                await proof.run_tactic(proof.root, "fatal")
    assert arena.asked == 3  # "slow" once, "fatal" twice


async def test_an_answer_that_lean_contradicts_is_told(arena: Arena, world: ToyWorld) -> None:
    async with arena.environment(world).open(theorem("8")) as proof:
        await proof.run_tactic(proof.root, "halve")
    other = ToyWorld(moves={"8": {"halve": "5"}, "5": {}, "4": {}})
    async with arena.environment(other).open(theorem("8")) as proof:
        halved = await proof.run_tactic(proof.root, "halve")
        assert isinstance(halved, ProofAdvanced)
        with pytest.raises(StaleState, match="led elsewhere"):
            await proof.run_tactic(halved.state, "decrement")


async def test_a_busy_machine_is_not_taken_for_a_wrong_answer(arena: Arena, world: ToyWorld) -> None:
    async with arena.environment(world).open(theorem("8")) as proof:
        await proof.run_tactic(proof.root, "halve")
    busy = ToyWorld(moves={"8": {"halve": TIMEOUT}})
    async with arena.environment(busy).open(theorem("8")) as proof:
        halved = await proof.run_tactic(proof.root, "halve")
        assert isinstance(halved, ProofAdvanced)
        with pytest.raises(StaleState, match="took too long this time"):
            await proof.run_tactic(halved.state, "decrement")


def test_what_cannot_be_read_need_not_be_deleted(tmp_path: Path, arena: Arena) -> None:
    (tmp_path / "answers" / "about.json").mkdir(parents=True)
    with pytest.raises(TrajectoryError, match=r"about\.json cannot be read: [^.]*$"):
        arena.require({"lean": "4.1"})


async def test_a_search_finds_the_same_as_without_an_arena(arena: Arena, world: ToyWorld) -> None:
    async def nodes(*, within: bool) -> list[tuple[object, ...]]:
        search = BestFirstSearch(
            policy=arena.policy(ScriptedPolicy.over(world)) if within else ScriptedPolicy.over(world),
            environment=arena.environment(world) if within else world,
            certifier=arena.certifier(ToyCertifier(world)),
            config=SearchConfig(budget=SearchBudget(max_expansions=50)),
        )
        result = await search.run(theorem("29"))
        return [
            (node.index, node.state.key, node.tactic, node.status, node.priority, node.expansion)
            for node in result.nodes
        ]

    plain = await nodes(within=False)
    assert len(plain) > 5
    assert await nodes(within=True) == plain
    asked = arena.asked
    assert await nodes(within=True) == plain
    assert arena.asked == asked


async def test_a_proof_is_certified_once_and_never_from_the_file(tmp_path: Path, world: ToyWorld) -> None:
    calls = []

    class Counting(ToyCertifier):
        async def certify(self, theorem: Theorem, proof: Proof) -> CertificationResult:
            calls.append(proof)
            return await super().certify(theorem, proof)

    for number in (1, 2):
        certifier = Arena(tmp_path / "answers").certifier(Counting(world))
        for _ in range(3):
            await certifier.certify(theorem("1"), ("done",))
        assert len(calls) == number


async def test_what_is_remembered_of_proofs_is_bounded_and_the_verdicts_are_the_same(
    tmp_path: Path, world: ToyWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leanebm.pipeline.evaluation.arena._MAX_VERDICTS", 3)
    arena, plain = Arena(tmp_path / "answers"), ToyCertifier(world)
    certifier = arena.certifier(plain)
    for start in ("1", "2", "3", "4", "5", "1", "5"):
        proofs: list[Proof] = [("done",), ("decrement", "done")]
        for proof in proofs:
            verdict = await certifier.certify(theorem(start), proof)
            assert verdict == await plain.certify(theorem(start), proof)
            assert len(arena._verdicts) <= 3


def test_what_a_killed_worker_was_writing_is_swept_up_once_nobody_can_be_writing_it(
    tmp_path: Path, arena: Arena
) -> None:
    arena.sweep()
    arena.require({"lean": "4.1"})
    (tmp_path / "answers" / "a theorem's").mkdir()
    old, new = (tmp_path / "answers" / "a theorem's" / f".next-{name}.part" for name in ("old", "new"))
    for scratch in (old, new):
        scratch.write_bytes(b"half")
    long_ago_s = old.stat().st_mtime - 7200
    os.utime(old, (long_ago_s, long_ago_s))
    arena.sweep()
    assert [path.name for path in (tmp_path / "answers").rglob("*") if path.is_file()] == ["about.json", new.name]


async def test_what_is_no_candidate_is_named_as_the_policys_and_not_kept(arena: Arena, world: ToyWorld) -> None:
    class Texts:
        async def propose(self, *_: object) -> Any:
            return ["halve"]

    async with arena.environment(world).open(theorem("8")) as proof:
        for _ in range(2):
            with pytest.raises(PartBroken, match=r"^Texts must give a list of Candidate"):
                await arena.policy(Texts()).propose(proof.root, 2)
        assert len(await arena.policy(ScriptedPolicy.over(world)).propose(proof.root, 2)) == 2
