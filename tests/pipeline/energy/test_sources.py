from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leanebm.core import ContrastiveGroup, Evidence, Node, SearchOutcome, Theorem
from leanebm.data import CONTRASTIVE_FORMAT, ContrastiveRecord, ReplayOutcome
from leanebm.errors import ConfigError
from leanebm.pipeline import AuditedNegative, ContrastiveFolder, ContrastiveReport, NegativeAudit
from leanebm.pipeline.energy.sources import Lessons, frontier_set, open_queues
from leanebm.pipeline.search.search_run import rows_of
from leanebm.search import BestFirstSearch, CumulativeLogProb, SearchBudget, SearchConfig, SearchProgress
from leanebm.storage import RunInfo, ShardWriter
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld
from leanebm.trajectory import TrajectoryRow

GROUP = ContrastiveGroup(
    theorem="t",
    parent_text="⊢ p",
    parent_key="p",
    positive_text="⊢ q",
    positive_key="q",
    positive_tactic="go",
    negatives=(),
    depth=0,
    remaining_depth=1,
    source="replay",
)

RUN = RunInfo(
    run_id="r", started_unix_s=0.0, seed=0, backend="embedded", lean_version="4", leanebm_version="0", config={}
)


async def negatives(path: Path, *outcomes: SearchOutcome) -> Path:
    """A folder with a group, whose negatives were audited with these outcomes."""
    folder = ContrastiveFolder(path)
    record = ContrastiveRecord(
        theorem=Theorem(name="t", statement="p"), run_id="r", outcome=ReplayOutcome.VERIFIED, num_steps=1, num_groups=1
    )
    async with ShardWriter(folder.groups, CONTRASTIVE_FORMAT, run=RUN) as writer:
        await writer.write(record, [GROUP])
    audited = tuple(
        AuditedNegative(theorem="t", path=("go",), evidence=Evidence.UNKNOWN, outcome=SearchOutcome(outcome))
        for outcome in outcomes
    )
    audit = NegativeAudit(audited=audited, groups=1, ended_unix_s=1.0) if outcomes else None
    folder.write_report(attrs.evolve(ContrastiveReport.of((), ()), audit=audit))
    return path


async def test_what_audits_found_is_added_up(tmp_path: Path) -> None:
    one = await negatives(tmp_path / "one", SearchOutcome.PROVED, SearchOutcome.EXHAUSTED, SearchOutcome.INFRASTRUCTURE)
    other = await negatives(tmp_path / "other", SearchOutcome.EXHAUSTED)
    unaudited = await negatives(tmp_path / "unaudited")
    lessons = Lessons.read((), (one, other, unaudited))
    assert (lessons.audited_negatives, lessons.provable_negatives) == (3, 1)
    assert lessons.groups == (GROUP, GROUP, GROUP)


async def test_groups_are_found_from_their_folder_and_from_the_one_above(tmp_path: Path) -> None:
    folder = await negatives(tmp_path)
    assert Lessons.read((), (folder,)).groups == Lessons.read((), (ContrastiveFolder(folder).groups,)).groups


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to learn from"):
        Lessons.read((), ())


RUN_OPEN_QUEUES = RunInfo(
    run_id="r", started_unix_s=0.0, seed=0, backend="toy", lean_version="", leanebm_version="", config={}
)


class Watched(BestFirstSearch):
    """Notes what stood in the queue at each pop."""

    def __init__(self, world: ToyWorld) -> None:
        super().__init__(
            policy=ScriptedPolicy.over(world),
            scorer=CumulativeLogProb(),
            environment=world,
            certifier=ToyCertifier(world),
            config=SearchConfig(budget=SearchBudget(max_expansions=40)),
        )
        self.queues: list[set[int]] = []

    def select(self, progress: SearchProgress) -> Node:
        frontier, drained = progress.frontier, []
        while frontier:
            drained.append(frontier.pop())
        self.queues.append({node.index for node in drained})
        for node in drained:
            frontier.push(node)
        return super().select(progress)


async def search(world: ToyWorld, start: str) -> tuple[Watched, list[TrajectoryRow]]:
    watched = Watched(world)
    result = await watched.run(Theorem(name="t", statement=start))
    return watched, rows_of(result, RUN_OPEN_QUEUES, started_unix_s=0.0)


@pytest.mark.parametrize("start", ["7", "12", "23", "31"])
async def test_queues_are_those_that_the_search_had(start: str) -> None:
    watched, rows = await search(ToyWorld.countdown(32), start)
    on_path = {row.node for row in rows if row.on_proof_path}
    assert on_path
    expected = [queue for queue in watched.queues if len(queue) > 1 and queue & on_path]
    assert [{row.node for row in queue.nodes} for queue in open_queues(rows)] == expected


async def test_each_queue_knows_the_node_that_was_right_and_holds_no_finished_one() -> None:
    _, rows = await search(ToyWorld.countdown(32), "23")
    queues = list(open_queues(rows))
    assert queues
    for queue in queues:
        assert any(row.on_proof_path for row in queue.nodes)
        assert all(row.num_goals for row in queue.nodes)
        assert queue.theorem == "t"


async def test_a_search_that_proved_nothing_has_no_right_node_to_tell() -> None:
    _, rows = await search(ToyWorld(moves={"a": {"go": "b", "on": "c"}, "b": {}, "c": {}}), "a")
    assert list(open_queues(rows)) == []


async def test_queues_with_energies_are_laid_end_to_end() -> None:
    pytest.importorskip("torch")
    _, rows = await search(ToyWorld.countdown(32), "23")
    queues = list(open_queues(rows))
    found = frontier_set(queues, {row.state_text: float(len(row.state_text)) for row in rows})
    nodes = [row for queue in queues for row in queue.nodes]
    assert found.size.tolist() == [len(queue.nodes) for queue in queues]
    assert found.energy.tolist() == [float(len(row.state_text)) for row in nodes]
    assert found.is_on_path.tolist() == [row.on_proof_path for row in nodes]
    assert found.depth.tolist() == [row.depth for row in nodes]
    assert found.shape[:, 0].tolist() == found.energy.tolist()
