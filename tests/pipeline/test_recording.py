from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from leanebm.core import Theorem
from leanebm.pipeline.recording import record_of, rows_of
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig, SearchResult
from leanebm.search.scorers import CumulativeLogProb
from leanebm.storage import RunInfo
from leanebm.testing import ScriptedPolicy, ToyCertifier, ToyWorld
from leanebm.trajectory import THEOREM_OUTCOMES

RUN = RunInfo(run_id="r", started_unix_s=0.0, seed=7, backend="toy", lean_version="toy", leanebm_version="0", config={})


async def searched(seed: int, max_nodes: int) -> SearchResult:
    world = ToyWorld.seeded(seed)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=world,
        certifier=ToyCertifier(world),
        config=SearchConfig(budget=SearchBudget(max_nodes=max_nodes)),
    )
    return await search.run(Theorem(name="t", statement="s0"))


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 60))
async def test_any_search_becomes_a_tree_of_rows(seed: int, max_nodes: int) -> None:
    result = await searched(seed, max_nodes)
    record = record_of(result, RUN, started_unix_s=1.0)
    rows = rows_of(result, RUN, started_unix_s=1.0)
    assert record.outcome in THEOREM_OUTCOMES
    assert (record.nodes, record.tactic_calls) == (len(rows), sum(len(row.attempts) for row in rows))
    assert [row.node for row in rows] == list(range(len(rows)))
    for row in rows[1:]:
        assert rows[row.parent].depth == row.depth - 1
        assert row.tactic in [attempt.tactic for attempt in rows[row.parent].attempts]
    assert rows[0].parent == -1


async def test_the_proof_path_counts_down_to_its_end() -> None:
    results = [await searched(seed, 60) for seed in range(30)]
    proved = [result for result in results if result.certificate is not None]
    assert proved
    for result in proved:
        assert result.certificate is not None
        path = [row for row in rows_of(result, RUN, started_unix_s=0.0) if row.on_proof_path]
        path.sort(key=lambda row: row.depth)
        assert tuple(row.tactic for row in path[1:]) == result.certificate.tactics
        assert [row.remaining_depth for row in path] == list(reversed(range(len(path))))
        assert all(row.remaining_depth == -1 for row in rows_of(result, RUN, started_unix_s=0.0) if row not in path)


async def test_a_theorem_that_could_not_be_opened_is_a_record_without_rows() -> None:
    class Gone:
        def open(self, _: Theorem) -> object:
            raise WorkerDied("gone")

    from leanebm.errors import WorkerDied

    world = ToyWorld.countdown(2)
    search = BestFirstSearch(
        policy=ScriptedPolicy.over(world),
        scorer=CumulativeLogProb(),
        environment=Gone(),  # type: ignore[arg-type]
        certifier=ToyCertifier(world),
    )
    result = await search.run(Theorem(name="t", statement="1"))
    record = record_of(result, RUN, started_unix_s=0.0)
    assert rows_of(result, RUN, started_unix_s=0.0) == []
    assert (record.outcome, record.error_kind, record.error) == ("infrastructure", "WorkerDied", "gone")
