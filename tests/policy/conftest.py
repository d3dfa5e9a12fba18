from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from wires import SGLANG, Wire

from leanebm.core import Goal, ProofState, StateRef
from leanebm.policy import EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.testing import FakePolicyServer, ManualClock


@attrs.define
class ManualTime:
    """A clock whose pauses take no time and are written down."""

    clock: ManualClock = attrs.field(factory=ManualClock)
    pauses_s: list[float] = attrs.field(factory=list)
    during_pause: Callable[[], Awaitable[object]] | None = None

    async def sleep(self, seconds: float) -> None:
        self.pauses_s.append(seconds)
        self.clock.advance(seconds)
        if self.during_pause is not None:
            await self.during_pause()


@pytest.fixture
def time() -> ManualTime:
    return ManualTime()


@pytest.fixture
def wire() -> Wire:
    """SGLang's; a module whose tests hold for all of them has a fixture of its own."""
    return SGLANG


@pytest.fixture
async def server(wire: Wire) -> AsyncIterator[FakePolicyServer]:
    async with FakePolicyServer() as fake:
        wire.introduce(fake)
        yield fake


@pytest.fixture
def connect(server: FakePolicyServer, time: ManualTime, wire: Wire) -> Callable[..., PolicyClient]:
    rng = random.Random(7)  # noqa: S311 - jitter

    def client(*, encoder: Mapping[str, Any] = MappingProxyType({}), **settings: Any) -> PolicyClient:
        settings["encoder"] = EncoderConfig(**encoder)
        config = PolicyClientConfig(**{"url": server.url, "api": wire.api, **settings})
        return PolicyClient(config, clock=time.clock, sleep=time.sleep, rng=rng)

    return client


@pytest.fixture
def state() -> ProofState:
    goal = Goal(text="n : Nat\n⊢ n + 0 = n", target="n + 0 = n")
    return ProofState((goal,), "key", StateRef(1, 0))
