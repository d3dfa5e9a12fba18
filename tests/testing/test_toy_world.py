from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import (
    Certificate,
    CertificationRejected,
    Proof,
    ProofAdvanced,
    ProofFinished,
    ProofStep,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.errors import StaleState, StatementError, WorkerDied
from leanebm.testing import LOST, QED, TIMEOUT, ManualClock, ToyCertifier, ToyWorld, check_certifier, check_environment

WORLD = ToyWorld(
    moves={"a": {"go": "b", "slow": TIMEOUT, "kill": LOST}, "b": {"end": QED, "cheat": QED, "back": "a"}},
    cheats=frozenset({("b", "cheat")}),
    tactic_s=0.5,
)

THEOREM = Theorem(name="t", statement="a")


async def test_the_toy_world_keeps_the_contracts_it_stands_in_for() -> None:
    await check_environment(WORLD, THEOREM, proof=["go", "end"], rejected="end")
    await check_certifier(ToyCertifier(WORLD), THEOREM, proof=["go", "end"], wrong=[["go", "cheat"], ["end"]])


async def test_every_kind_of_outcome_can_be_had() -> None:
    async with WORLD.open(THEOREM) as session:
        advanced = await session.run_tactic(session.root, "go")
        assert isinstance(advanced, ProofAdvanced)
        assert advanced.elapsed_s == 0.5
        assert isinstance(await session.run_tactic(advanced.state, "end"), ProofFinished)
        assert isinstance(await session.run_tactic(session.root, "end"), TacticRejected)
        assert isinstance(await session.run_tactic(session.root, "slow"), TacticTimedOut)
        with pytest.raises(WorkerDied):
            await session.run_tactic(session.root, "kill")


async def test_equal_states_have_equal_keys_and_places_of_their_own() -> None:
    async with WORLD.open(THEOREM) as session:
        there = await session.run_tactic(session.root, "go")
        assert isinstance(there, ProofAdvanced)
        back = await session.run_tactic(there.state, "back")
        assert isinstance(back, ProofAdvanced)
        assert back.state.key == session.root.key
        assert back.state.ref != session.root.ref
        await session.free([session.root])
        assert isinstance(await session.run_tactic(back.state, "go"), ProofAdvanced)
        with pytest.raises(StaleState, match="was freed"):
            await session.run_tactic(session.root, "go")


async def test_a_theorem_of_another_world_does_not_elaborate() -> None:
    with pytest.raises(StatementError, match="no state 'z'"):
        async with WORLD.open(Theorem(name="t", statement="z")):
            pytest.fail("it must not be entered")
    with pytest.raises(StatementError, match=r"no state '@Nat\.add_comm'"):
        await ToyCertifier(WORLD).certify(Theorem(name="t", copy_from="Nat.add_comm"), [])


async def test_the_certifier_says_which_step_is_wrong() -> None:
    certifier = ToyCertifier(WORLD)
    cheat, unknown, unfinished = [
        await certifier.certify(THEOREM, tactics) for tactics in (["go", "cheat"], ["go", "fly"], ["go"])
    ]
    assert isinstance(cheat, CertificationRejected)
    assert (cheat.reason, cheat.message) == ("axioms", "step 2, 'cheat', is a cheat")
    assert isinstance(unknown, CertificationRejected)
    assert unknown.message == "step 2, 'fly', does not apply at b"
    assert isinstance(unfinished, CertificationRejected)
    assert unfinished.message == "the goal b is left"
    with pytest.raises(WorkerDied):
        await certifier.certify(THEOREM, ["kill"])


async def test_a_certificate_holds_the_whole_source() -> None:
    certificate = await ToyCertifier(WORLD).certify(THEOREM, ["go", "end"])
    assert isinstance(certificate, Certificate)
    assert certificate.source == "theorem t : a := by\n  go\n  end\n"


def test_counting_down_has_ways_ends_and_circles() -> None:
    world = ToyWorld.countdown(8)
    assert world.moves["6"] == {"decrement": "5", "halve": "3", "negate": "-6"}
    assert world.replay("6", ["halve", "decrement", "halve", "done"]) == QED
    assert world.replay("3", ["double", "halve"]) == "3"
    assert world.replay("6", ["double"]) is None
    assert world.moves["-6"] == {}
    assert "done" not in world.moves["2"]


@given(st.integers(), st.integers(2, 40), st.integers(1, 5))
def test_equal_seeds_give_equal_worlds(seed: int, num_states: int, branching: int) -> None:
    world, again = [ToyWorld.seeded(seed, num_states=num_states, branching=branching) for _ in range(2)]
    assert world.moves == again.moves
    targets = {target for arrows in world.moves.values() for target in arrows.values()}
    assert targets <= {*world.moves, QED, TIMEOUT}
    assert [name for name, arrows in world.moves.items() if QED in arrows.values()] == [f"s{num_states - 1}"]


# --- several goals ---
FORK = ToyWorld(moves={"a": {"fork": "b & c & d"}, "b": {"end": QED}, "c": {"go": "b", "end": QED}, "d": {"end": QED}})


async def test_any_goal_of_a_state_can_be_worked_on() -> None:
    async with FORK.open(THEOREM) as session:
        forked = await session.run_tactic(session.root, "fork")
        assert isinstance(forked, ProofAdvanced)
        assert [goal.target for goal in forked.state.goals] == ["b", "c", "d"]
        assert forked.state.coupling == (0, 1, 2)
        went = await session.run_tactic(forked.state, "go", goal=1)
        assert isinstance(went, ProofAdvanced)
        assert went.state.key == "b & d & b"
        state = went.state
        for _ in range(2):
            outcome = await session.run_tactic(state, "end", goal=1)
            assert isinstance(outcome, ProofAdvanced)
            state = outcome.state
        assert isinstance(await session.run_tactic(state, "end"), ProofFinished)
        assert isinstance(await session.run_tactic(forked.state, "go", goal=2), TacticRejected)
        with pytest.raises(ValueError, match="no goal 3"):
            await session.run_tactic(forked.state, "end", goal=3)


@pytest.mark.parametrize(
    "proof",
    [
        ["fork", "end", "end", "end"],
        ["fork", "end", "go", "end", "end"],
        ["fork", ProofStep("end", goal=2), ProofStep("end", goal=1), "end"],
        [ProofStep("fork", children=(["end"], ["go", "end"], ["end"]))],
        [ProofStep("fork", children=(["end"],)), ProofStep("go", children=(["end"],)), "end"],
    ],
)
async def test_a_proof_may_be_a_list_or_a_tree(proof: Proof) -> None:
    certificate = await ToyCertifier(FORK).certify(THEOREM, proof)
    assert isinstance(certificate, Certificate)
    assert certificate.tactics == tuple(step if isinstance(step, str) else step.text for step in proof)


@pytest.mark.parametrize(
    ("proof", "message"),
    [
        ([ProofStep("fork", children=(["end"], ["go"], ["end"]))], "the goal b is left"),
        ([ProofStep("fork", children=(["end"], ["end"]))], "the goal d is left"),
        ([ProofStep("fork", children=(["end"], ["end"], ["end"], ["end"]))], "step 5, 'end', does not apply at ∎"),
        ([ProofStep("fork", children=(["end"], ["end", "end"]))], "step 4, 'end', does not apply at ∎"),
        (["fork", ProofStep("end", goal=3)], "step 2, 'end', does not apply at b & c & d"),
    ],
)
async def test_a_tree_that_does_not_close_its_goals_is_rejected(proof: Proof, message: str) -> None:
    rejection = await ToyCertifier(FORK).certify(THEOREM, proof)
    assert isinstance(rejection, CertificationRejected)
    assert rejection.message == message


def test_it_moves_only_when_it_is_told_to() -> None:
    clock = ManualClock(now_s=2.0)
    assert (clock(), clock()) == (2.0, 2.0)
    clock.advance(0.5)
    assert clock() == 2.5


def test_it_may_tick_at_each_reading() -> None:
    clock = ManualClock(step_s=0.25)
    assert [clock() for _ in range(3)] == [0.0, 0.25, 0.5]


def test_it_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="does not go back"):
        ManualClock().advance(-1.0)
    with pytest.raises(ValueError, match="step_s"):
        ManualClock(step_s=-1.0)
