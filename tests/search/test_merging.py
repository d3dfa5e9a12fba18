from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence

from leanebm.core import Leaf, Node, SearchOutcome, SearchResult, TacticFate
from leanebm.testing import QED, ScriptedPolicy, ToyWorld

RunSearch = Callable[..., Awaitable[SearchResult]]


def named(result: SearchResult) -> dict[str, Node]:
    return {node.state.key: node for node in result.nodes}


DIAMOND = ToyWorld(
    moves={"a": {"low": "m", "to b": "b"}, "b": {"high": "m"}, "m": {"on": "n"}, "n": {"x": "o"}, "o": {}}
)


async def test_a_better_path_replaces_a_worse_one_before_the_node_is_expanded(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.of({"a": {"to b": 0.9, "low": 0.1}, "b": {"high": 0.9}, "m": {"on": 1.0}, "n": {"x": 1.0}})
    result = await run_search(DIAMOND, "a", policy)
    m = named(result)["m"]
    assert m.tactics == ("to b", "high")
    assert m.priority == m.path_log_prob == math.log(0.9) + math.log(0.9)
    assert m.expansion == 2, "it was expanded once, by its better path"
    assert result.statistics.merged == 1


async def test_a_worse_path_changes_nothing(run_search: RunSearch) -> None:
    policy = ScriptedPolicy.of({"a": {"low": 0.9, "to b": 0.5}, "b": {"high": 0.9}, "m": {"on": 1.0}, "n": {"x": 1.0}})
    result = await run_search(DIAMOND, "a", policy)
    assert named(result)["m"].tactics == ("low",)
    assert named(result)["b"].edges[0].kind is TacticFate.MERGED


class Scripted:
    """Scores by state and depth, so that a test can say which path is better."""

    def __init__(self, table: dict[tuple[str, int], float]) -> None:
        self.table = table
        self.batches: list[list[tuple[str, int]]] = []

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        self.batches.append([(leaf.state.key, leaf.depth) for leaf in leaves])
        return [self.table[leaf.state.key, leaf.depth] for leaf in leaves]


async def test_what_hangs_below_an_expanded_node_follows_it_to_its_better_path(run_search: RunSearch) -> None:
    scorer = Scripted(
        {
            ("a", 0): 0.0,
            ("m", 1): 9.0,  # expanded first
            ("n", 2): 8.0,  # then this
            ("o", 3): 1.0,  # still open when
            ("b", 1): 2.0,  # b finds the path that the scorer prefers
            ("m", 2): 9.5,
            ("n", 3): 8.5,
            ("o", 4): 1.5,
        }
    )
    policy = ScriptedPolicy.of({"a": {"low": 0.9, "to b": 0.1}, "b": {"high": 0.9}, "m": {"on": 0.5}, "n": {"x": 0.5}})
    result = await run_search(DIAMOND, "a", policy, scorer=scorer)
    nodes = named(result)
    assert scorer.batches == [
        [("a", 0)],
        [("m", 1), ("b", 1)],
        [("n", 2)],
        [("o", 3)],
        [("m", 2)],  # the rival path to m
        [("n", 3), ("o", 4)],  # what hangs below it
    ]
    assert nodes["o"].tactics == ("to b", "high", "on", "x")
    assert {key: node.priority for key, node in nodes.items()} == {"a": 0.0, "m": 9.5, "n": 8.5, "o": 1.5, "b": 2.0}
    assert [nodes[key].expansion for key in "amnbo"] == [0, 1, 2, 3, 4], "no node was expanded twice"


async def test_a_rejected_proof_is_certified_again_when_a_better_path_to_it_turns_up(run_search: RunSearch) -> None:
    world = ToyWorld(
        moves={"a": {"cheat": "m", "to b": "b"}, "b": {"clean": "m"}, "m": {"end": QED}},
        cheats=frozenset({("a", "cheat")}),
    )
    scorer = Scripted({("a", 0): 0.0, ("m", 1): 5.0, ("b", 1): 1.0, ("m", 2): 6.0})
    result = await run_search(world, "a", scorer=scorer)
    assert result.outcome is SearchOutcome.PROVED
    assert result.certificate is not None
    assert result.certificate.tactics == ("to b", "clean", "end")
    assert [rejection.tactics for rejection in result.rejections] == [("cheat", "end")]
    assert [node.state.key for node in result.proof] == ["a", "b", "m", QED]
