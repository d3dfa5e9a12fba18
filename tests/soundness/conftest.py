"""One worker that searches and one that certifies, for all attacks; and a count of them at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from chosen_lean import ChosenLean
from lean_report import LeanReport

from leanebm.lean import Certifier

from .tally import Tally

_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(_TALLY, Tally())


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    tally = config.stash.get(_TALLY, Tally())
    if not tally.is_empty:
        terminalreporter.section("soundness")
        for line in tally.lines():
            terminalreporter.line(line)
        if (report := config.pluginmanager.get_plugin(LeanReport.__name__)) is not None:
            report.remarks.extend(tally.lines())


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    """Where attacks are counted."""
    return pytestconfig.stash.setdefault(_TALLY, Tally())


@pytest.fixture(scope="session")
async def certifier(chosen_lean: ChosenLean) -> AsyncIterator[Certifier]:
    """The certifier that all attacks are after."""
    async with Certifier(chosen_lean.config(), max_certifications=2000) as certifier:
        yield certifier
