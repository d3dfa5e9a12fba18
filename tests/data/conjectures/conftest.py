from __future__ import annotations

import pytest

from leanebm.data.conjectures import Conjecture, ConjectureFactory


@pytest.fixture(scope="session")
def drawn() -> tuple[Conjecture, ...]:
    """Six of every family, made once: it takes seconds."""
    factory = ConjectureFactory(seed=11)
    return tuple(conjecture for name in factory.names for conjecture in factory.draw(name, 6))
