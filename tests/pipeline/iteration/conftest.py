"""One iteration that was never disturbed, for all tests that look at one."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_iteration import toy_iteration


@pytest.fixture(scope="session")
async def iterated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, which tests must leave as it is."""
    folder = tmp_path_factory.mktemp("iteration") / "done"
    await toy_iteration(folder).run()
    return folder
