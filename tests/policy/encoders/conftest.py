from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from leanebm.policy import EncoderBackend, EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.testing import FakePolicyServer


@pytest.fixture
async def server() -> AsyncIterator[FakePolicyServer]:
    async with FakePolicyServer() as fake:
        yield fake


@pytest.fixture
def connect(server: FakePolicyServer) -> Callable[..., PolicyClient]:
    def client(backend: EncoderBackend, **settings: Any) -> PolicyClient:
        encoder = EncoderConfig(backend=backend, **settings)
        return PolicyClient(PolicyClientConfig(url=server.url, encoder=encoder))

    return client
