from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import Candidate, EncoderIdentity, ProofState
from leanebm.errors import ConfigError, EnergyError, PartBroken
from leanebm.pipeline import SHIPPED_HEAD, EnergyConfig, Part, Parts, RunConfig, StageStarted
from leanebm.pipeline._rehearsal import make_on_trial, start_on_trial
from leanebm.policy import PolicyClient
from leanebm.search import LengthNormalisedLogProb


class Anything:
    """A policy, an energy model and an encoder; entered, it tells of it."""

    entered = 0

    def __init__(self, *, is_made: bool = True, needs_loop: bool = False) -> None:
        if not is_made:
            raise RuntimeError("no room")
        if needs_loop:
            asyncio.get_running_loop()

    async def __aenter__(self) -> Anything:
        Anything.entered += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise AssertionError(f"{n} for {state}")

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        raise AssertionError(f"{states}")

    async def identity(self) -> EncoderIdentity:
        raise RuntimeError("who knows")

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        raise AssertionError(f"{texts}")


class Around(Anything):
    """Looks at the policy's server when it is made."""

    def __init__(self, encoder: PolicyClient, *, is_made: bool = True) -> None:
        super().__init__(is_made=is_made)
        encoder.statistics()


class Nothing:
    pass


@asynccontextmanager
async def opened() -> AsyncIterator[Anything]:
    yield Anything()


HEAD = EnergyConfig(path=SHIPPED_HEAD)


@pytest.mark.parametrize(
    "parts",
    [
        Parts(),
        Parts(policy=Anything, energy_model=Around),
        Parts(policy=Around, energy_model=Part(Anything, {"needs_loop": True})),
        Parts(policy=opened),
        Parts(encoder=Around),
    ],
)
def test_what_can_be_made_is_made_and_not_entered(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Anything, "entered", 0)
    make_on_trial(RunConfig(parts=parts, energy=EnergyConfig() if parts.encoder is None else HEAD))
    assert Anything.entered == 0


@pytest.mark.parametrize("kind", [Anything, Around])
@pytest.mark.parametrize("name", ["policy", "energy_model", "encoder"])
def test_what_cannot_be_made_is_refused(name: str, kind: type) -> None:
    broken: dict[str, Any] = {name: Part(kind, {"is_made": False})}
    config = RunConfig(parts=Parts(**broken), energy=HEAD if name == "encoder" else EnergyConfig())
    with pytest.raises(ConfigError, match=f"{kind.__name__} could not be made.*no room"):
        make_on_trial(config)


@pytest.mark.parametrize("name", ["policy", "energy_model", "encoder"])
def test_what_is_of_another_kind_is_refused(name: str) -> None:
    wrong: dict[str, Any] = {name: Nothing}
    config = RunConfig(parts=Parts(**wrong), energy=HEAD if name == "encoder" else EnergyConfig())
    with pytest.raises(ConfigError, match=rf"Nothing is not an? .* @ \$\.parts\.{name}"):
        make_on_trial(config)


def test_a_head_that_is_none_or_fits_no_scorer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnergyError, match="head"):
        make_on_trial(RunConfig(energy=EnergyConfig(path=tmp_path)))
    other = RunConfig(energy=HEAD, scorer=LengthNormalisedLogProb(alpha=0.25))
    with pytest.raises(ConfigError, match="beside another exponent"):
        make_on_trial(other)


async def test_parts_are_started_and_a_head_is_asked(observer: Any) -> None:
    await start_on_trial(RunConfig(energy=HEAD), observer, "a run")
    assert StageStarted(stage="trying the parts", detail="of a run") in observer.events
    silent = RunConfig(energy=HEAD, parts=Parts(encoder=Anything))
    with pytest.raises(PartBroken, match="Anything, asked which encoder it is, raised RuntimeError: who knows"):
        await start_on_trial(silent, observer, "a run")
