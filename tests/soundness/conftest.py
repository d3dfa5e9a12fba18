"""One worker that searches and one that certifies, for all attacks; and a count of them at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from leanebm.lean import Certifier, LeanPoolConfig
from leanebm.lean.embedded import EmbeddedLean

from .tally import Tally

_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(_TALLY, Tally())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash.get(_TALLY, Tally())
    if not tally.is_empty:
        terminalreporter.section("soundness")
        for line in tally.lines():
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where attacks are counted."""
    return pytestconfig.stash.setdefault(_TALLY, Tally())


@pytest.fixture(scope="session")
async def certifier(embedded_lean: EmbeddedLean) -> AsyncIterator[Certifier]:
    """The certifier that all attacks are after."""
    assert embedded_lean.node.is_file()
    async with Certifier(LeanPoolConfig.embedded(), max_certifications=2000) as certifier:
        yield certifier
