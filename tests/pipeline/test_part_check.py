from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline.part_check import PART_KINDS, check_part

MODULE = '''
import asyncio
from array import array
from collections import Counter
from contextlib import asynccontextmanager

from leanebm.core import Candidate, EncoderIdentity, Theorem
from leanebm.lean import CommandBackend
from leanebm.search import BestFirstSearch
from leanebm.testing import ToyCertifier, ToyWorld


class Scorer:
    def __init__(self, weight: float = 1.0):
        self.weight = weight

    async def score(self, leaves):
        return [self.weight * leaf.depth for leaf in leaves]


class BatchScorer(Scorer):
    async def score(self, leaves):
        return [float(len(leaves)) for leaf in leaves]


class RaisingScorer(Scorer):
    async def score(self, leaves):
        return [leaf.no_such_thing for leaf in leaves]


def make_scorer(weight: float = 1.0):
    return Scorer(weight)


class Policy:
    def __init__(self, policy, seed):
        self.policy = policy

    async def propose(self, state, n):
        return await self.policy.propose(state, n)


class Search(BestFirstSearch):
    def __init__(self, *, patience: int = 1, **parts):
        super().__init__(**parts)


class Forgetful(BestFirstSearch):
    async def run(self, theorem):
        return None


class EnergyModel:
    def __init__(self, encoder):
        self.encoder = encoder

    async def energies(self, states):
        return [sum(vector) for vector in await self.encoder.encode([state.text for state in states])]


@asynccontextmanager
async def opened_model(encoder):
    yield EnergyModel(encoder)


class Encoder:
    async def identity(self):
        return EncoderIdentity(pooling="mean", is_normalized=False)

    async def encode(self, texts):
        return [array("f", [len(text), sum(map(ord, text)) / 1e6]) for text in texts]


class Environment:
    """Knows one theorem."""

    def __init__(self):
        self.world = ToyWorld(moves={"start": {"intro n": "n"}, "n": {"rfl": "∎"}})

    def open(self, theorem):
        return self.world.open(Theorem(name="t", statement="start"))


class Certifier:
    async def certify(self, theorem, proof):
        import attrs

        world = ToyWorld(moves={"start": {"intro n": "n"}, "n": {"rfl": "∎"}})
        verdict = await ToyCertifier(world).certify(Theorem(name="t", statement="start"), proof)
        return attrs.evolve(verdict, theorem=theorem)


class Both(Scorer, Policy):
    pass


class Leaving(Scorer):
    async def score(self, leaves):
        raise SystemExit(0)


class LeavingSearch(Search):
    async def run(self, theorem):
        raise SystemExit(0)


class Cancelling(Scorer):
    async def score(self, leaves):
        raise asyncio.CancelledError


class CancellingSearch(Search):
    async def run(self, theorem):
        raise asyncio.CancelledError


class Closing(Scorer):
    async def score(self, leaves):
        raise GeneratorExit


class ClosingSearch(Search):
    async def run(self, theorem):
        raise GeneratorExit


class Plain:
    def score(self, leaves):
        return [0.0 for _ in leaves]


class PlainModel:
    def energies(self, states):
        return [0.0 for _ in states]


class PlainPolicy:
    def propose(self, state, n):
        return [Candidate("rfl", -1.0)]


class TextPolicy:
    async def propose(self, state, n):
        return ["rfl"]


class PlainSearch(Search):
    def run(self, theorem):
        return None


class FewScores(Search):
    async def priority(self, progress, leaves):
        return []
'''


@pytest.fixture
def my_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_checked_parts.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "my_checked_parts", raising=False)


@pytest.mark.usefixtures("my_parts")
@pytest.mark.parametrize(
    ("name", "kind", "promise"),
    [
        ("Scorer", "scorer", "the scorer gives one finite number per leaf, whatever else is in the batch."),
        ("Policy", "policy", "the policy proposes at most as many distinct candidates as asked, the likeliest first."),
        ("Search", "search", "searches prove what is in reach"),
        ("EnergyModel", "energy-model", "model gives one finite energy per state"),
        ("Encoder", "encoder", "encoder gives usable vectors of one width"),
        ("Environment", "environment", "the environment opens the theorem"),
        ("Certifier", "certifier", "certifier accepts a proof and rejects what is not one."),
    ],
)
async def test_what_a_part_is_shows_in_its_methods_and_is_what_is_checked(name: str, kind: str, promise: str) -> None:
    report = await check_part({"kind": f"my_checked_parts:{name}"})
    assert report.kind == kind
    assert report.problems == ()
    assert promise in report.checked, report.checked


def test_every_kind_of_part_can_be_checked() -> None:
    kinds = {"scorer", "policy", "search", "energy-model", "encoder", "environment", "certifier", "backend"}
    assert set(PART_KINDS) == kinds


@pytest.mark.usefixtures("my_parts")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("BatchScorer", "in the batch and"),
        ("RaisingScorer", "it raised AttributeError: 'Leaf' object has no attribute 'no_such_thing'"),
        ("Forgetful", "it returned NoneType, not a SearchResult"),
        ("Leaving", "it raised SystemExit: 0"),
        ("LeavingSearch", "it raised SystemExit: 0"),
        ("Cancelling", "it raised CancelledError"),
        ("CancellingSearch", "it raised CancelledError"),
        ("Closing", "it raised GeneratorExit"),
        ("ClosingSearch", "it raised GeneratorExit"),
        ("Plain", "Plain.score must be an `async def`"),
        ("PlainModel", "PlainModel.energies must be an `async def`"),
        ("PlainPolicy", "PlainPolicy.propose must be an `async def`"),
        ("TextPolicy", "TextPolicy must give a list of Candidate; it gave ['rfl']"),
        ("PlainSearch", "PlainSearch.run must be an `async def`"),
        ("FewScores", "it gave [] (one tactic proves it)"),
    ],
)
async def test_a_broken_part_is_reported_with_what_is_wrong(name: str, problem: str) -> None:
    report = await check_part({"kind": f"my_checked_parts:{name}"})
    assert any(problem in each for each in report.problems), report.problems


@pytest.mark.usefixtures("my_parts")
@pytest.mark.parametrize(
    ("table", "kind"),
    [
        ({"kind": "breadth_first"}, "scorer"),
        ({"kind": "best_first"}, "search"),
        ({"kind": "my_checked_parts:make_scorer", "weight": 2.0}, "scorer"),
        ({"kind": "my_checked_parts:opened_model"}, "energy-model"),
        ({"kind": "my_checked_parts:Both"}, "scorer"),
    ],
)
async def test_a_kind_may_be_given(table: dict[str, Any], kind: str) -> None:
    assert (await check_part(table, kind=kind)).problems == ()


@pytest.mark.usefixtures("my_parts")
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"kind": "breadth_first"}, "--kind"),
        ({"kind": "my_checked_parts:make_scorer"}, "it has the methods of none; say which of"),
        ({"kind": "my_checked_parts:Both"}, "it has the methods of several: scorer, policy"),
        ({"kind": "my_checked_parts:Nothing"}, "there is nothing to check"),
        ({"kind": "my_checked_parts:Scorer", "wieght": 1.0, "weight": "x"}, "unknown setting wieght"),
    ],
)
async def test_what_cannot_be_checked_is_a_mistake_of_whoever_asks(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await check_part(table)
    assert message in str(caught.value)
