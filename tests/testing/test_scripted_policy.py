from __future__ import annotations

import math

import pytest

from leanebm.core import Candidate, Theorem
from leanebm.errors import PolicyUnavailable
from leanebm.testing import ScriptedPolicy, ToyWorld, check_policy

WORLD = ToyWorld.countdown(6)


async def test_it_keeps_the_contract_of_a_policy() -> None:
    async with WORLD.open(Theorem(name="t", statement="6")) as session:
        await check_policy(ScriptedPolicy.over(WORLD, seed=1, num_wrong=3), [session.root])


async def test_it_says_what_is_written_the_likeliest_first_and_remembers_who_asked() -> None:
    policy = ScriptedPolicy.of({"6": {"halve": 0.25, "decrement": 0.5}})
    async with WORLD.open(Theorem(name="t", statement="6")) as session:
        assert await policy.propose(session.root, 8) == [
            Candidate("decrement", math.log(0.5)),
            Candidate("halve", math.log(0.25)),
        ]
        assert len(await policy.propose(session.root, 1)) == 1
    assert policy.asked == ["6", "6"]


async def test_a_state_that_is_not_written_gets_the_default_and_an_error_is_raised() -> None:
    default = [Candidate("decrement", -1.0)]
    async with WORLD.open(Theorem(name="t", statement="6")) as session:
        assert await ScriptedPolicy(script={}, default=default).propose(session.root, 8) == default
        assert list(await ScriptedPolicy(script={}).propose(session.root, 8)) == []
        with pytest.raises(PolicyUnavailable):
            await ScriptedPolicy(script={"6": PolicyUnavailable("gone")}).propose(session.root, 8)


def test_a_policy_over_a_world_knows_every_move_and_some_that_are_wrong() -> None:
    policy = ScriptedPolicy.over(WORLD, seed=4, num_wrong=2)
    for name, arrows in WORLD.moves.items():
        candidates = policy.script[name]
        assert isinstance(candidates, list)
        assert {candidate.tactic for candidate in candidates} == {*arrows, "wrong0", "wrong1"}
        assert math.isclose(sum(math.exp(candidate.log_prob) for candidate in candidates), 1.0)


def test_equal_seeds_give_equal_scripts() -> None:
    assert ScriptedPolicy.over(WORLD, seed=4).script == ScriptedPolicy.over(WORLD, seed=4).script
    assert ScriptedPolicy.over(WORLD, seed=4).script != ScriptedPolicy.over(WORLD, seed=5).script
