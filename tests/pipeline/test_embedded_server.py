from __future__ import annotations

from leanebm.core import Goal, ProofState, StateRef
from leanebm.pipeline import start_embedded_server
from leanebm.policy import PolicyClient, PolicyClientConfig

STATE = ProofState(goals=(Goal(text="⊢ True ∧ True", target="True ∧ True"),), key="k", ref=StateRef(0, 0))


async def test_it_answers_on_loopback_until_it_is_left() -> None:
    async with start_embedded_server(seed=3) as url:
        assert url.startswith("http://127.0.0.1:")
        async with PolicyClient(PolicyClientConfig(url=url)) as policy:
            candidates = await policy.propose(STATE, 4)
    assert len({candidate.tactic for candidate in candidates}) == len(candidates) > 0


async def test_equal_seeds_propose_the_same() -> None:
    async def proposed(seed: int) -> list[str]:
        async with start_embedded_server(seed=seed) as url, PolicyClient(PolicyClientConfig(url=url)) as policy:
            return [candidate.tactic for candidate in await policy.propose(STATE, 8)]

    assert await proposed(5) == await proposed(5)
