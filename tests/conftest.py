"""Fixtures of the whole suite. The real Lean is prepared once and shared: it costs seconds and a gigabyte."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

# Small heads gain nothing from more threads, and wait for one another where Lean workers have the other cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from leanebm.lean import LeanPool, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean, install


@pytest.fixture(scope="session")
def embedded_lean() -> EmbeddedLean:
    """The embedded Lean, fetched and prepared if this machine does not have it yet."""
    return install()


@pytest.fixture(scope="session")
async def lean_pool(embedded_lean: EmbeddedLean) -> AsyncIterator[LeanPool]:
    """One real worker for the session; every test opens proofs of its own on it."""
    assert embedded_lean.node.is_file()
    async with LeanPool(LeanPoolConfig.embedded(num_workers=1)) as pool:
        yield pool
