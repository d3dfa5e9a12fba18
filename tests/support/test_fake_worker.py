from __future__ import annotations

from fake_worker import fake_worker_argv

from leanebm.core import SearchOutcome, SearchResult, Theorem
from leanebm.lean import Certifier, CommandBackend, Dialect, LeanPool, LeanPoolConfig, ReplayingEnvironment
from leanebm.search import BestFirstSearch, CumulativeLogProb
from leanebm.testing import ScriptedPolicy

_POLICY = ScriptedPolicy.of(
    {
        "p": {"step": 0.5, "fail": 0.2, "sorry": 0.2, "nonsense": 0.1},
        "p'": {"step": 0.6, "refuse io interrupt": 0.2, "share": 0.2},
        "p''": {"intro h": 0.7, "share": 0.2, "done": 0.1},
    }
)


async def _search(dialect: str) -> SearchResult:
    spoken = Dialect.PANTOGRAPH if dialect == "pantograph" else Dialect.LEANEBM
    backend = CommandBackend(argv=fake_worker_argv(dialect=dialect), dialect=spoken)
    config = LeanPoolConfig(backend=backend, num_workers=1, imports=())
    async with LeanPool(config) as pool, Certifier(config) as certifier:
        search = BestFirstSearch(
            policy=_POLICY,
            scorer=CumulativeLogProb(),
            environment=ReplayingEnvironment(pool),
            certifier=certifier,
        )
        return await search.run(Theorem(name="t", statement="p"))


async def test_one_search_finds_one_tree_in_every_dialect() -> None:
    ours, plain = [await _search(dialect) for dialect in ("ours", "pantograph")]

    def tree(result: SearchResult) -> list[object]:
        return [
            (
                [goal.text for goal in node.state.goals],
                node.tactic,
                node.status,
                [(e.tactic, e.kind) for e in node.edges],
            )
            for node in result.nodes
        ]

    assert len(tree(ours)) > 5
    assert tree(ours) == tree(plain)
    assert ours.outcome is plain.outcome is SearchOutcome.PROVED
