"""Two heads of which everything is known: one that guides, and one that says noise."""

from __future__ import annotations

import pytest

from .planted import Examined, examine


@pytest.fixture(scope="session")
def healthy() -> Examined:
    """A head that tells siblings apart 86 times in 100."""
    return examine()


@pytest.fixture(scope="session")
def noise() -> Examined:
    """A head whose energies are drawn without a look at the state."""
    return examine(gap=0.0)
