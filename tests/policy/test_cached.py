from __future__ import annotations

from collections.abc import Sequence

import pytest

from leanebm.core import Candidate, Goal, ProofState, StateRef
from leanebm.errors import PolicyUnavailable
from leanebm.policy import CachedPolicy


def state(key: str) -> ProofState:
    return ProofState((Goal(text="⊢ p", target="p"),), key, StateRef(0, 0))


class Counting:
    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.is_down = False

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        self.asked.append((state.key, n))
        if self.is_down:
            raise PolicyUnavailable("down")
        return [Candidate(f"{state.key}{len(self.asked)}", -1.0)]


async def test_a_state_seen_before_is_not_asked_about() -> None:
    inner = Counting()
    policy = CachedPolicy(inner)
    assert await policy.propose(state("a"), 4) == await policy.propose(state("a"), 4)
    await policy.propose(state("a"), 8)
    await policy.propose(state("b"), 4)
    assert inner.asked == [("a", 4), ("a", 8), ("b", 4)]


async def test_it_is_bounded_and_keeps_what_is_used() -> None:
    inner = Counting()
    policy = CachedPolicy(inner, max_states=2)
    for key in "abacab":
        await policy.propose(state(key), 1)
    assert [key for key, _ in inner.asked] == ["a", "b", "c", "b"]


async def test_failures_are_not_remembered_and_forgetting_forgets() -> None:
    inner = Counting()
    inner.is_down = True
    policy = CachedPolicy(inner)
    with pytest.raises(PolicyUnavailable):
        await policy.propose(state("a"), 1)
    inner.is_down = False
    await policy.propose(state("a"), 1)
    policy.forget()
    await policy.propose(state("a"), 1)
    assert len(inner.asked) == 3


def test_it_must_hold_something() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        CachedPolicy(Counting(), max_states=0)
