"""The check is shown searches that break the contract in one way each, and must name that way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from leanebm.core import Certificate, ProofSearch, SearchOutcome, SearchResult, StateScorer, Theorem
from leanebm.errors import StatementError
from leanebm.search import BestFirstSearch, BreadthFirst, SearchBudget, SearchConfig
from leanebm.testing import ContractBroken, check_search


async def test_our_own_search_keeps_the_contract() -> None:
    await check_search(BestFirstSearch)


class Edited:
    """Our search, with something done to it or to what it says."""

    def __init__(self, edit: Callable[[SearchResult, dict[str, Any]], object], **parts: Any) -> None:
        self.edit = edit
        self.parts = parts
        self.inner = BestFirstSearch(**parts)

    async def run(self, theorem: Theorem) -> Any:
        return self.edit(await self.inner.run(theorem), self.parts)


def breaking(edit: Callable[[SearchResult, dict[str, Any]], object]) -> Any:
    return lambda **parts: Edited(edit, **parts)


def with_config(config: SearchConfig) -> Any:
    return lambda **parts: BestFirstSearch(**{**parts, "config": config})


def raising(error: Exception) -> Any:
    def edit(result: SearchResult, _: dict[str, Any]) -> SearchResult:
        if result.error is not None:
            raise error
        return result

    return breaking(edit)


def fresh(certificate: Certificate | None) -> Certificate | None:
    return None if certificate is None else attrs.evolve(certificate, source="sorry")


class Believes:
    """Takes every finished state for proved."""

    def __init__(self, **parts: Any) -> None:
        self.inner = BestFirstSearch(**parts)

    async def run(self, theorem: Theorem) -> SearchResult:
        result = await self.inner.run(theorem)
        return attrs.evolve(result, outcome=SearchOutcome.PROVED) if result.rejections else result


class Keeps:
    """Leaves proofs open."""

    def __init__(self, **parts: Any) -> None:
        self.environment = parts["environment"]
        self.inner = BestFirstSearch(**parts)

    async def run(self, theorem: Theorem) -> SearchResult:
        self.proof = self.environment.open(theorem)
        await self.proof.__aenter__()
        return await self.inner.run(theorem)


class Swallows:
    """Takes a statement that does not elaborate for one that cannot be proved."""

    def __init__(self, **parts: Any) -> None:
        self.inner = BestFirstSearch(**parts)

    async def run(self, theorem: Theorem) -> SearchResult:
        try:
            return await self.inner.run(theorem)
        except StatementError:
            return SearchResult.unopened(theorem, None)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (breaking(lambda _, __: None), "it returned NoneType, not a SearchResult"),
        (
            breaking(lambda result, _: attrs.evolve(result, theorem=Theorem(name="x", statement="1"))),
            "asked for 'from_1' it answered about 'x' (one tactic proves it)",
        ),
        (breaking(lambda result, _: attrs.evolve(result, certificate=None)), "outcome and certificate disagree"),
        (
            breaking(lambda result, _: attrs.evolve(result, certificate=fresh(result.certificate))),
            "its certificate is not one that the certifier gave",
        ),
        (breaking(lambda result, _: attrs.evolve(result, nodes=())), "it returned no nodes"),
        (breaking(lambda result, _: attrs.evolve(result, nodes=result.nodes[::-1])), "the first node must be the root"),
        (breaking(lambda result, _: attrs.evolve(result, nodes=result.nodes[:-1])), "its statistics say"),
        (breaking(lambda result, _: attrs.evolve(result, error=None)), "the result's error does not say what"),
        (
            breaking(lambda result, _: attrs.evolve(result, outcome=SearchOutcome.EXHAUSTED)),
            "it says exhausted, where only infrastructure is true (the worker dies)",
        ),
        (raising(RuntimeError("out of luck")), "it raised RuntimeError: out of luck (the worker dies)"),
        (Believes, "it says proved, where only rejected is true (certification refuses the only proof)"),
        (
            with_config(SearchConfig(budget=SearchBudget(max_expansions=100, max_tactic_calls=1000))),
            "with 12 expansions allowed (nothing proves it)",
        ),
        (Keeps, "it left a proof open"),
        (Swallows, "StatementError must be let through"),
    ],
)
async def test_a_search_that_breaks_its_contract_is_told_how(make: Any, problem: str) -> None:
    with pytest.raises(ContractBroken) as caught:
        await check_search(make)
    assert any(problem in each for each in caught.value.problems), caught.value.problems


async def test_a_search_may_leave_out_what_it_does_not_need() -> None:
    def make(*, scorer: StateScorer, **parts: Any) -> ProofSearch:
        assert scorer is not None
        return BestFirstSearch(scorer=BreadthFirst(), **parts)

    await check_search(make)


class Endless:
    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    async def run(self, theorem: Theorem) -> SearchResult:
        async with self.parts["environment"].open(theorem) as session:
            while True:
                await session.run_tactic(session.root, "minus_one")


class Waiting(Endless):
    async def run(self, _: Theorem) -> SearchResult:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


@pytest.mark.parametrize("search", [Endless, Waiting])
async def test_a_search_that_does_not_end_is_reported_as_that(search: Any) -> None:
    with pytest.raises(ContractBroken, match=r"it did not end within 0\.05 s \(one tactic proves it\)"):
        await check_search(search, patience_s=0.05)
