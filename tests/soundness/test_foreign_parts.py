"""Searches that try to have a theorem counted as proved which no certifier of the run accepted."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Certificate, Node, NodeStatus, SearchOutcome, SearchResult, SearchStatistics, Theorem
from leanebm.errors import PartBroken
from leanebm.pipeline import Observer, ProofRun, RunConfig, SearchRun, Workbench, WorkbenchOpener, summarise_run
from leanebm.search import BestFirstSearch, SearchFactory
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld

WORLD = ToyWorld.countdown(8)
FALSE = Theorem(name="false", statement="-1")
"""A state that leads nowhere."""

TRUE = Theorem(name="true", statement="1")


def forged(theorem: Theorem) -> Certificate:
    return Certificate(
        theorem=theorem,
        source="theorem false : -1 := by\n  trust_me\n",
        tactics=("trust_me",),
        statement="-1",
        fingerprint=hashlib.sha256(b"-1").hexdigest(),
        axioms=(),
        constants=(),
        lean_version="none: a toy world",
        backend="toy",
        imports=(),
    )


@attrs.define
class Forger:
    """What the attacks have in common: the parts of the run, and a result that claims a proof."""

    certifier: Any
    environment: Any

    async def claim(self, theorem: Theorem, certificate: Certificate | None) -> SearchResult:
        async with self.environment.open(theorem) as session:
            nodes = (Node(index=0, state=session.root, status=NodeStatus.PROVED),)
        return SearchResult(
            theorem=theorem,
            outcome=SearchOutcome.PROVED,
            certificate=certificate,
            rejections=(),
            nodes=nodes,
            statistics=SearchStatistics(nodes=1),
            error=None,
        )


class MakesOneUp(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        return await self.claim(theorem, forged(theorem))


class ClaimsWithoutOne(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        return await self.claim(theorem, None)


class AsksItsOwnCertifier(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        lenient = ToyCertifier(ToyWorld(moves={"-1": {"trust_me": "∎"}}))
        verdict = await lenient.certify(theorem, ["trust_me"])
        assert isinstance(verdict, Certificate)
        return await self.claim(theorem, verdict)


class ProvesAnother(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        verdict = await self.certifier.certify(TRUE, ["done"])
        assert isinstance(verdict, Certificate)
        return await self.claim(theorem, verdict)


class RelabelsAnother(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        verdict = await self.certifier.certify(TRUE, ["done"])
        return await self.claim(theorem, attrs.evolve(verdict, theorem=theorem))


class ChangesTheCertificateInPlace(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        verdict = await self.certifier.certify(TRUE, ["done"])
        object.__setattr__(verdict, "theorem", theorem)
        return await self.claim(theorem, verdict)


class ChangesTheTheoremInPlace(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        object.__setattr__(theorem, "statement", "1")
        verdict = await self.certifier.certify(theorem, ["done"])
        assert isinstance(verdict, Certificate)
        return await self.claim(theorem, verdict)


class EqualsTheIssued(Certificate):
    """A certificate that passes for ``like`` in every comparison."""

    like: Certificate

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(self.like)


class SendsALookalike(Forger):
    async def run(self, theorem: Theorem) -> SearchResult:
        verdict = await self.certifier.certify(TRUE, ["done"])
        assert isinstance(verdict, Certificate)
        lookalike = EqualsTheIssued(**attrs.asdict(forged(theorem), recurse=False))
        object.__setattr__(lookalike, "like", verdict)
        assert lookalike == verdict
        return await self.claim(theorem, lookalike)


class AlwaysProved(SearchResult):
    """A result that says something else each time it is asked."""

    @property
    def outcome(self) -> SearchOutcome:
        return SearchOutcome.PROVED


class SendsAResultOfItsOwnMaking(Forger):
    async def run(self, _: Theorem) -> SearchResult:
        return object.__new__(AlwaysProved)


ATTACKS = (
    MakesOneUp,
    ClaimsWithoutOne,
    AsksItsOwnCertifier,
    ProvesAnother,
    RelabelsAnother,
    ChangesTheCertificateInPlace,
    ChangesTheTheoremInPlace,
    SendsALookalike,
    SendsAResultOfItsOwnMaking,
)


@pytest.fixture(params=ATTACKS, ids=lambda attack: attack.__name__)
def opening(request: pytest.FixtureRequest, toy_bench: Callable[..., WorkbenchOpener]) -> WorkbenchOpener:
    """Opens a workbench whose search is one of the attacks."""

    def make(*, certifier: Any, environment: Any, **_: object) -> Any:
        return request.param(certifier, environment)

    return with_search(toy_bench(WORLD), make)


def with_search(opening: WorkbenchOpener, make: SearchFactory) -> WorkbenchOpener:
    @asynccontextmanager
    async def opened(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        async with opening(config, observer) as bench:
            yield attrs.evolve(bench, make_search=make)

    return opened


async def test_no_search_can_have_a_theorem_recorded_as_proved(opening: WorkbenchOpener, tmp_path: Path) -> None:
    run = SearchRun(RunConfig(), [FALSE], tmp_path, opening=opening)
    with pytest.raises(PartBroken, match="broke the contract of a search on 'false'"):
        await run.run()
    assert not list(tmp_path.glob("proofs/*"))
    assert not list((tmp_path / "trajectory").glob("*.parquet"))


async def test_no_search_can_have_a_statement_proved(opening: WorkbenchOpener) -> None:
    with pytest.raises(PartBroken, match="broke the contract"):
        await ProofRun(RunConfig(), FALSE, opening=opening).run()


async def test_what_is_recorded_is_what_the_certifier_gave_whatever_the_search_sends(
    tmp_path: Path, toy_bench: Callable[..., WorkbenchOpener]
) -> None:
    @attrs.define
    class Embellishes(Forger):
        async def run(self, theorem: Theorem) -> SearchResult:
            verdict = await self.certifier.certify(theorem, ["done"])
            assert isinstance(verdict, Certificate)
            lookalike = EqualsTheIssued(**attrs.asdict(forged(theorem), recurse=False))
            object.__setattr__(lookalike, "like", verdict)
            return await self.claim(theorem, lookalike)

    def make(*, certifier: Any, environment: Any, **_: object) -> Any:
        return Embellishes(certifier, environment)

    await SearchRun(RunConfig(), [TRUE], tmp_path, opening=with_search(toy_bench(WORLD), make)).run()
    [record] = summarise_run(tmp_path).records
    assert record.certificate == await ToyCertifier(WORLD).certify(TRUE, ["done"])
    assert "trust_me" not in (tmp_path / "proofs" / "true.lean").read_text()


async def test_the_attacks_would_succeed_if_searches_were_believed() -> None:
    """Each claims a proof of what is false, so the tests above can fail."""
    for attack in ATTACKS[:-1]:
        result = await attack(ToyCertifier(WORLD), WORLD).run(attrs.evolve(FALSE))
        assert result.outcome is SearchOutcome.PROVED
    policy = ScriptedPolicy.over(WORLD)
    honest = await BestFirstSearch(policy=policy, environment=WORLD, certifier=ToyCertifier(WORLD)).run(FALSE)
    assert honest.outcome is not SearchOutcome.PROVED
