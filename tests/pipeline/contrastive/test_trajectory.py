from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import ContrastiveGroup, Evidence, NodeStatus, SearchOutcome, TacticFate, Theorem
from leanebm.pipeline import RunConfig, SearchRun, groups_from_trajectory, read_search_groups
from leanebm.testing import ToyWorld
from leanebm.trajectory import Attempt, TrajectoryRow

Edges = list[tuple[str, int]]


def row(node: int, key: str, edges: Edges = [], **more: Any) -> TrajectoryRow:  # noqa: B006 - never changed
    """A node whose attempts are ``(kind, target)``, the likeliest first."""
    attempts = tuple(
        Attempt(tactic=f"{key} to {target}", log_prob=-0.1 * i, kind=TacticFate(kind), target=target)
        for i, (kind, target) in enumerate(edges)
    )
    values: dict[str, Any] = {
        "run_id": "r",
        "theorem": "t",
        "statement": "@Nat.t",
        "outcome": SearchOutcome.PROVED,
        "node": node,
        "parent": 0,
        "state_key": key,
        "state_text": f"⊢ {key}",
        "num_goals": 1,
        "tactic": f"to {key}",
        "log_prob": -0.5,
        "path_log_prob": -0.5,
        "priority": 0.0,
        "depth": 1,
        "remaining_depth": -1,
        "on_proof_path": False,
        "status": NodeStatus.EXPANDED if any(target >= 0 for _, target in edges) else NodeStatus.DEAD,
        "started_unix_s": 0.0,
        "found_s": 0.0,
        "tactic_s": 0.0,
        "worker_epoch": 0,
        "backend": "toy",
        "seed": 0,
        "attempts": attempts,
    }
    return TrajectoryRow(**values | more)


def on_path(node: int, key: str, depth: int, edges: Edges, **more: Any) -> TrajectoryRow:
    return row(node, key, edges, depth=depth, on_proof_path=True, remaining_depth=2 - depth, **more)


FAILED: Edges = [("rejected", -1)]

FINISHED = row(
    2, "", status=NodeStatus.PROVED, num_goals=0, state_text="", on_proof_path=True, depth=2, remaining_depth=0
)


def searched(*others: TrajectoryRow, first: Edges = []) -> tuple[TrajectoryRow, ...]:  # noqa: B006 - never changed
    """A proof of two steps, root 0, then 1, then 2; ``others`` hang from the root by ``first``."""
    root = on_path(0, "root", 0, [*first, ("advanced", 1)], tactic=None)
    return (root, on_path(1, "mid", 1, [("finished", 2)]), FINISHED, *others)


def negatives(*others: TrajectoryRow, first: Edges) -> list[tuple[str, Evidence]]:
    [group] = groups_from_trajectory(searched(*others, first=first))
    return [(negative.key, negative.evidence) for negative in group.negatives]


def test_a_decision_point_comes_with_what_the_policy_thought_of_it() -> None:
    rows = searched(row(3, "off", FAILED), first=[("advanced", 3)])
    [group] = groups_from_trajectory(rows, modules={"@Nat.t": "Init.Nat"}, round_=2)
    assert (group.theorem, group.module, group.source, group.round) == ("t", "Init.Nat", "search", 2)
    assert (group.parent_text, group.positive_text, group.positive_tactic) == ("⊢ root", "⊢ mid", "to mid")
    assert (group.positive_log_prob, group.depth, group.remaining_depth) == (-0.5, 0, 1)
    [negative] = group.negatives
    assert (negative.text, negative.tactic, negative.log_prob) == ("⊢ off", "root to 3", 0.0)


def test_the_step_that_finishes_makes_no_group() -> None:
    assert len(groups_from_trajectory(searched())) == 1
    assert groups_from_trajectory(searched())[0].negatives == ()


def test_what_was_not_proved_teaches_nothing() -> None:
    rows = [
        row(0, "root", [("advanced", 1)], outcome=SearchOutcome.BUDGET_SPENT),
        row(1, "x", FAILED, outcome=SearchOutcome.BUDGET_SPENT),
    ]
    assert groups_from_trajectory(rows) == ()


TIMED_OUT: Edges = [("timed_out", -1), ("rejected", -1)]


@pytest.mark.parametrize(
    ("others", "evidence"),
    [
        ([row(3, "x", FAILED)], Evidence.DEAD),
        ([row(3, "x", [("advanced", 4)]), row(4, "y", FAILED)], Evidence.DEAD),
        ([row(3, "x", [("advanced", 4)]), row(4, "y", [("cyclic", 3)], status=NodeStatus.EXPANDED)], Evidence.DEAD),
        ([row(3, "x", TIMED_OUT)], Evidence.UNKNOWN),
        ([row(3, "x", [])], Evidence.UNKNOWN),
        ([row(3, "x", FAILED, status=NodeStatus.PARTIAL)], Evidence.UNKNOWN),
        ([row(3, "x", [("advanced", 4)]), row(4, "y", status=NodeStatus.OPEN)], Evidence.UNKNOWN),
        ([row(3, "x", [("advanced", 4)]), row(4, "y", TIMED_OUT)], Evidence.UNKNOWN),
        ([row(3, "x", [("advanced", 4)]), row(4, "y", status=NodeStatus.PRUNED)], Evidence.UNKNOWN),
    ],
)
def test_only_what_was_searched_to_the_bottom_is_dead(others: list[TrajectoryRow], evidence: Evidence) -> None:
    assert negatives(*others, first=[("advanced", 3)]) == [("x", evidence)]


@pytest.mark.parametrize(
    "others",
    [
        [row(3, "x", [("merged", 1)])],  # to the proof's next state
        [row(3, "x", [("cyclic", 0)])],  # back to the decision point
        [row(3, "x", [("advanced", 4)]), row(4, "y", [("merged", 1)])],
        [row(3, "x", [("finished", 4)]), row(4, "", num_goals=0, state_text="", status=NodeStatus.REJECTED)],
        [row(3, "mid")],  # equal to a state of the proof
        [row(3, "twin", state_text="⊢ mid")],  # reads like one
    ],
)
def test_what_is_known_to_be_provable_is_no_negative(others: list[TrajectoryRow]) -> None:
    assert negatives(*others, first=[("advanced", 3)]) == []


def test_each_negative_stands_once_with_its_likeliest_tactic() -> None:
    rows = searched(
        row(3, "x", FAILED),
        row(4, "z", FAILED, state_text="⊢ x"),
        first=[("advanced", 3), ("merged", 3), ("merged", 4)],
    )
    [group] = groups_from_trajectory(rows)
    assert [(negative.key, negative.tactic) for negative in group.negatives] == [("x", "root to 3")]


def test_searches_are_kept_apart() -> None:
    rows = searched(row(3, "x", FAILED), first=[("advanced", 3)])
    other = [
        TrajectoryRow(**{f.name: getattr(each, f.name) for f in each.__attrs_attrs__} | {"theorem": "u"})
        for each in rows
    ]
    found = groups_from_trajectory([each for pair in zip(rows, other, strict=True) for each in pair])
    assert [group.theorem for group in found] == ["t", "u"]


async def test_a_real_search_gives_groups_of_its_own_tree(
    tmp_path: Path, config: RunConfig, world: ToyWorld, toy_bench: Callable[..., Any]
) -> None:
    theorems = [Theorem(name=f"n{n}", statement=str(n)) for n in (4, 11, 23)]
    await SearchRun(config, theorems, tmp_path, opening=toy_bench(world)).run()
    groups = read_search_groups(tmp_path)
    assert {group.theorem for group in groups} == {"n4", "n11", "n23"}
    assert any(group.negatives for group in groups)
    for group in groups:
        check(group, world)


def check(group: ContrastiveGroup, world: ToyWorld) -> None:
    moves = world.moves[group.parent_key]
    assert moves[group.positive_tactic] == group.positive_key
    for negative in group.negatives:
        assert moves[negative.tactic] == negative.key != group.positive_key
        if negative.evidence is Evidence.DEAD:
            assert int(negative.key) < 0, "in this world, only negated numbers are dead ends"
