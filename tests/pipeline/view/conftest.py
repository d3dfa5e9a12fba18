"""What the viewer's tests share: runs of a toy world through the real search and writer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import TacticPolicy, Theorem
from leanebm.pipeline import RunConfig, SearchRun
from leanebm.search import SearchBudget, SearchConfig
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import QED, ToyWorld

MakeSearched = Callable[..., Awaitable[Path]]


@pytest.fixture
def searched(tmp_path: Path, toy_bench: Callable[..., Any]) -> MakeSearched:
    """``await searched("run", {"n8": "8"}, budget=50)``: a run's folder."""

    async def make(
        name: str,
        theorems: dict[str, str],
        *,
        world: ToyWorld | None = None,
        budget: int = 60,
        breadth_first: bool = False,
        resume: bool = False,
        policy: TacticPolicy | None = None,
    ) -> Path:
        config = RunConfig(concurrency=2, search=SearchConfig(budget=SearchBudget(max_expansions=budget)))
        if breadth_first:
            config = attrs.evolve(config, scorer=BreadthFirst())
        wanted = [Theorem(name=name, statement=statement) for name, statement in theorems.items()]
        opening = toy_bench(ToyWorld.countdown(64) if world is None else world, policy=policy)
        await SearchRun(config, wanted, tmp_path / name, opening=opening, resume=resume).run()
        return tmp_path / name

    return make


HOSTILE = "</script><img src=x onerror=alert(1)>"

TURNED = "a\u202eb\x1b[2J"


@pytest.fixture
def hostile_world() -> ToyWorld:
    """States, tactics and messages that are markup, or that turn text round."""
    return ToyWorld(
        moves={
            "start": {HOSTILE: HOSTILE, TURNED: TURNED, "<b>wrong</b>": "nowhere"},
            HOSTILE: {"${alert(1)}": TURNED},
            TURNED: {'"><svg onload=alert(1)>': QED},
            "nowhere": {},
        }
    )
