"""A search whose code is nowhere in leanebm goes through a run like ours: searched, recorded, resumed, refused."""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import (
    Candidate,
    EnergyModel,
    Leaf,
    ProofEnvironment,
    ProofState,
    SearchOutcome,
    SearchResult,
    StateScorer,
    TacticPolicy,
    Theorem,
)
from leanebm.errors import LeanEbmError, PartBroken, WorkerDied
from leanebm.pipeline import (
    Observer,
    Part,
    Parts,
    RunConfig,
    SearchRun,
    StageProgressed,
    Workbench,
    read_run_config,
)
from leanebm.pipeline._oversight import OverseenPolicy
from leanebm.search import SearchBudget, SearchConfig, SearchProgress, conduct_search
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld, check_search
from leanebm.trajectory import read_trajectory

WORLD = ToyWorld.countdown(32)

Numbers = Callable[..., tuple[Theorem, ...]]

SOURCE = Path(__file__).parents[3] / "examples" / "03_own_search.py"


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's module, from a folder that is nobody's package."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "level_by_level.py").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    yield importlib.import_module("level_by_level")
    del sys.modules["level_by_level"]


@asynccontextmanager
async def opening(config: RunConfig, _: Observer) -> AsyncIterator[Workbench]:
    yield Workbench(
        policy=ScriptedPolicy.over(WORLD),
        scorer=config.scorer,
        environment=WORLD,
        certifier=ToyCertifier(WORLD),
        lean_version="toy",
        make_search=config.parts.search.build,
    )


async def test_it_keeps_the_contract(foreign: Any) -> None:
    await check_search(Part(foreign.LevelByLevel, {"width": 2}).build)


async def test_it_is_run_recorded_and_resumed_like_ours(
    foreign: Any, tmp_path: Path, numbers: Numbers, observer: Any
) -> None:
    search = Part(foreign.LevelByLevel, {"width": 3})
    config = RunConfig(parts=Parts(search=search), search=SearchConfig(budget=SearchBudget(max_expansions=50)))
    folder = tmp_path / "run"
    done = await SearchRun(config, numbers(5, 12), folder, observer=observer, opening=opening).run()
    assert (done.totals.proved, done.totals.attempted) == (2, 2)
    assert read_run_config(folder / "config.toml").parts.search == search
    assert {path.stem for path in (folder / "proofs").glob("*.lean")} == {"n5", "n12"}
    counts = [event.counts for event in observer.events if isinstance(event, StageProgressed)]
    assert any("nodes" in count and not count.startswith("proved 2") for count in counts), "its progress is shown"

    rows = [row for row in read_trajectory(folder / "trajectory").rows() if row.theorem == "n12"]
    expanded = sorted((row.expansion, row.depth) for row in rows if row.expansion >= 0)
    depths = [depth for _, depth in expanded]
    assert depths == sorted(depths), "level by level"
    assert max(depths.count(depth) for depth in depths) <= 3, "no more of a level than its width"
    assert [row.depth for row in rows if row.on_proof_path] == list(range(rows[-1].depth + 1))

    again = await SearchRun(config, numbers(5, 12, 8), folder, resume=True, opening=opening).run()
    assert (again.totals.proved, again.totals.attempted) == (3, 3)
    wider = attrs.evolve(config, parts=Parts(search=Part(foreign.LevelByLevel, {"width": 4})))
    with pytest.raises(LeanEbmError, match="width"):
        await SearchRun(wider, numbers(5), folder, resume=True, opening=opening).run()


@attrs.frozen
class Blames:
    """A part that says of each question that a worker died."""

    async def propose(self, state: ProofState, n: int) -> Sequence[Candidate]:
        raise WorkerDied(f"no worker for {n} on {state}")

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        raise WorkerDied(f"no worker for {leaves}")

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        raise WorkerDied(f"no worker for {states}")


@attrs.frozen(kw_only=True)
class Asks:
    """A search with a loop of its own, which asks one of its parts and looks at no answer."""

    policy: TacticPolicy
    scorer: StateScorer
    environment: ProofEnvironment
    energy: EnergyModel | None = None
    part: str = "policy"

    async def run(self, theorem: Theorem) -> SearchResult:
        return await conduct_search(theorem, self.environment, self._search, budget=SearchBudget(max_expansions=8))

    async def _search(self, progress: SearchProgress) -> None:
        state = progress.tree.root.state
        if self.part == "policy":
            await self.policy.propose(state, 1)
        elif self.part == "scorer":
            await self.scorer.score([])
        elif self.energy is not None:
            await self.energy.energies([state])


@pytest.mark.parametrize(
    ("part", "method"), [("policy", "propose"), ("scorer", "score"), ("energy", "energies"), ("no part", "")]
)
async def test_what_a_part_raises_in_a_loop_of_ones_own_is_laid_at_its_door_and_not_at_leans(
    tmp_path: Path, numbers: Numbers, part: str, method: str
) -> None:
    @asynccontextmanager
    async def blaming(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
        broken: dict[str, Any] = {"energy": Blames(), part: Blames()} if method else {}
        async with opening(config, observer) as bench:
            yield attrs.evolve(bench, **broken)

    config = RunConfig(parts=Parts(search=Part(Asks, {"part": part})))
    run = SearchRun(config, numbers(5), tmp_path / "run", opening=blaming)
    if not method:
        assert (await run.run()).totals.infrastructure == 0
        return
    with pytest.raises(PartBroken, match=rf"Blames\.{method} raised WorkerDied: .*test_foreign_search\.py, line"):
        await run.run()


def test_a_part_that_is_overseen_has_all_that_is_its_own() -> None:
    policy = ScriptedPolicy(script={})
    overseen = OverseenPolicy(policy)
    assert overseen.script is policy.script
    assert isinstance(overseen, ScriptedPolicy)
    assert not isinstance(overseen, Blames)
    assert repr(overseen) == repr(policy)
    assert not hasattr(overseen, "no_such_thing")
    assert copy.copy(overseen).script is policy.script


async def test_what_its_width_left_untried_is_no_exhausted_search(
    foreign: Any, tmp_path: Path, numbers: Numbers
) -> None:
    narrow = RunConfig(parts=Parts(search=Part(foreign.LevelByLevel, {"width": 1})))
    done = await SearchRun(narrow, numbers(31), tmp_path / "run", opening=opening).run()
    [record] = done.records
    assert record.expansions < narrow.search.budget.max_expansions, "its own width ended it"
    assert record.outcome is SearchOutcome.BUDGET_SPENT
