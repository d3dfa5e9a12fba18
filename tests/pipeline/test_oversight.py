from __future__ import annotations

from typing import Any

import attrs
import pytest

from leanebm.core import Node, NodeStatus, SearchOutcome, SearchResult, SearchStatistics, Theorem
from leanebm.errors import PartBroken, StatementError
from leanebm.pipeline.oversight import IssuingCertifier, OverseenSearch
from leanebm.search import BestFirstSearch
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(8)
FIVE = Theorem(name="five", statement="5")


def honest(certifier: IssuingCertifier) -> BestFirstSearch:
    return BestFirstSearch(policy=ScriptedPolicy.over(WORLD), environment=WORLD, certifier=certifier)


async def test_what_an_honest_search_found_is_let_through() -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    search = OverseenSearch(honest(certifier), certifier)
    for start in ("5", "1", "-3"):
        result = await search.run(Theorem(name=start, statement=start))
        assert (result.certificate is not None) == (start != "-3")
    with pytest.raises(StatementError):
        await search.run(Theorem(name="no", statement="no state"))


@attrs.define
class Edits:
    """A search whose result somebody edits."""

    inner: BestFirstSearch
    changes: dict[str, Any]

    async def run(self, theorem: Theorem) -> SearchResult:
        return attrs.evolve(await self.inner.run(theorem), **self.changes)


@pytest.mark.parametrize(
    ("changes", "objection"),
    [
        ({"certificate": None}, "it says 'proved' without a certificate"),
        ({"outcome": SearchOutcome.EXHAUSTED}, "it says 'exhausted' with a certificate"),
        ({"theorem": Theorem(name="other", statement="5")}, "another theorem, 'other'"),
        ({"certificate": None, "outcome": SearchOutcome.EXHAUSTED}, "it calls a node proved, and has no certificate"),
    ],
)
async def test_a_result_that_contradicts_itself_is_refused(changes: dict[str, Any], objection: str) -> None:
    certifier = IssuingCertifier(ToyCertifier(WORLD))
    with pytest.raises(PartBroken, match="Edits broke the contract of a search on 'five'") as caught:
        await OverseenSearch(Edits(honest(certifier), changes), certifier).run(FIVE)
    assert objection in str(caught.value)


async def test_what_is_no_result_is_refused() -> None:
    class Nothing:
        async def run(self, _: Theorem) -> SearchResult:
            return None  # type: ignore[return-value]

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    with pytest.raises(PartBroken, match="it returned NoneType, not a SearchResult"):
        await OverseenSearch(Nothing(), certifier).run(FIVE)


async def test_a_search_that_found_nothing_may_say_so() -> None:
    class Lazy:
        async def run(self, theorem: Theorem) -> SearchResult:
            async with WORLD.open(theorem) as session:
                root = Node(index=0, state=session.root, status=NodeStatus.OPEN)
            return SearchResult(
                theorem=theorem,
                outcome=SearchOutcome.BUDGET_SPENT,
                certificate=None,
                rejections=(),
                nodes=(root,),
                statistics=SearchStatistics(nodes=1),
                error=None,
            )

    certifier = IssuingCertifier(ToyCertifier(WORLD))
    assert (await OverseenSearch(Lazy(), certifier).run(FIVE)).outcome is SearchOutcome.BUDGET_SPENT
