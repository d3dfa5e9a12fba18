from __future__ import annotations

import pytest

from leanebm.core import Certificate, ProofAdvanced, SearchOutcome, Theorem
from leanebm.errors import StaleState
from leanebm.pipeline.contrastive._rerooted import RerootedCertifier, RerootedEnvironment, SessionEnvironment
from leanebm.search import BestFirstSearch
from leanebm.search.scorers import LengthNormalisedLogProb
from leanebm.testing import QED, ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld(moves={"a": {"go": "b", "err": "x"}, "b": {"on": "c"}, "c": {"end": QED}, "x": {"back": "b"}})

THEOREM = Theorem(name="t", statement="a")


async def test_a_search_begins_where_the_prefix_leads_and_its_proof_is_certified_whole() -> None:
    prefix = ("err",)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(WORLD),
        scorer=LengthNormalisedLogProb(),
        environment=RerootedEnvironment(WORLD, prefix),
        certifier=RerootedCertifier(ToyCertifier(WORLD), prefix),
    )
    result = await search.run(THEOREM)
    assert result.outcome is SearchOutcome.PROVED
    assert result.nodes[0].state.key == "x"
    assert result.certificate is not None
    assert result.certificate.tactics == ("err", "back", "on", "end")


async def test_what_the_prefix_does_not_justify_is_not_certified() -> None:
    world = ToyWorld(moves=WORLD.moves, cheats=frozenset({("a", "err")}))
    certifier = RerootedCertifier(ToyCertifier(world), ("err",))
    assert not isinstance(await certifier.certify(THEOREM, ("back", "on", "end")), Certificate)


@pytest.mark.parametrize("prefix", [("nonsense",), ("go", "on", "end")])
async def test_a_prefix_that_leads_nowhere_says_nothing(prefix: tuple[str, ...]) -> None:
    with pytest.raises(StaleState, match="led elsewhere"):
        async with RerootedEnvironment(WORLD, prefix).open(THEOREM):
            pytest.fail("it must not be entered")


async def test_a_session_within_a_session_cleans_up_after_itself_only() -> None:
    async with WORLD.open(THEOREM) as session:
        outcome = await session.run_tactic(session.root, "go")
        assert isinstance(outcome, ProofAdvanced)
        async with SessionEnvironment(session, outcome.state).open(THEOREM) as inner:
            assert inner.root is outcome.state
            assert isinstance(await inner.run_tactic(inner.root, "on"), ProofAdvanced)
            await inner.free([inner.root])
            assert session.num_live_states == 3
        assert session.num_live_states == 2
        assert isinstance(await session.run_tactic(outcome.state, "on"), ProofAdvanced), "the root is still there"
