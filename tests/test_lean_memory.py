from __future__ import annotations

from pathlib import Path

import pytest

from leanebm._lean_memory import EMBEDDED_WORKER_MIB

_ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "page", ["README.md", "docs/backends.md", "docs/cloud-gpu.md", "docs/running-experiments.md", "docs/cli.md"]
)
def test_pages_plan_what_the_program_plans_for_a_worker(page: str) -> None:
    assert f"{EMBEDDED_WORKER_MIB} MiB" in " ".join((_ROOT / page).read_text(encoding="utf-8").split())
