from __future__ import annotations

from typing import Any

from leanebm.core import NodeStatus, SearchOutcome, TacticFate
from leanebm.pipeline.contrastive.hindsight import closed_goals
from leanebm.trajectory import Attempt, TrajectoryRow

Edges = dict[str, int]


def row(node: int, *goals: str, edges: Edges | None = None, **more: Any) -> TrajectoryRow:
    """A node of a search that spent its budget, with its goals and the tactics that Lean accepted there."""
    attempts = [
        Attempt(tactic=tactic, log_prob=-1.0, kind=TacticFate.ADVANCED, target=target)
        for tactic, target in (edges or {}).items()
    ]
    values: dict[str, Any] = {
        "run_id": "r", "theorem": "t", "statement": "t", "outcome": SearchOutcome.BUDGET_SPENT, "node": node,
        "parent": 0, "state_key": str(node), "state_text": "\n\n".join(f"⊢ {goal}" for goal in goals),
        "num_goals": len(goals), "tactic": None, "log_prob": 0.0, "path_log_prob": 0.0, "priority": 0.0, "depth": 0,
        "remaining_depth": -1, "on_proof_path": False, "status": NodeStatus.EXPANDED, "started_unix_s": 0.0,
        "found_s": 0.0, "tactic_s": 0.0, "worker_epoch": 0, "backend": "toy", "seed": 0, "attempts": tuple(attempts),
    }  # fmt: skip
    return TrajectoryRow(**values | more)


def closed(*rows: TrajectoryRow) -> list[tuple[str, str, int]]:
    return [(one.goal, one.tactics[0], len(one.tactics)) for one in closed_goals(rows)]


def test_half_of_a_conjunction_is_a_theorem_although_the_whole_was_not_proved() -> None:
    rows = [
        row(0, "a ∧ b", edges={"constructor": 1}),
        row(1, "a", "b", edges={"go": 2}),
        row(2, "a'", "b", edges={"end": 3}),
        row(3, "b", edges={"stuck": 4}),
        row(4, "b'"),
    ]
    assert closed(*rows) == [("⊢ a", "go", 2), ("⊢ a'", "end", 1)]
    assert [one.tactics for one in closed_goals(rows)] == [("go", "end"), ("end",)]


def test_of_several_lines_the_shortest_is_taken_and_all_that_are_as_short() -> None:
    rows = [
        row(0, "a", edges={"long": 1, "end": 3, "finish": 3}),
        row(1, "a'", edges={"end": 3}),
        row(3, num_goals=0, state_text=""),
    ]
    assert closed(*rows) == [("⊢ a", "end", 1), ("⊢ a", "finish", 1), ("⊢ a'", "end", 1)]


def test_a_line_that_changed_the_other_goals_closed_nothing() -> None:
    rows = [
        row(0, "a ?m", "b ?m", edges={"end": 1, "turn": 2}),
        row(1, "b 1"),
        row(2, "b ?m", "a ?m", edges={"end": 3}),
        row(3, "a 1"),
    ]
    assert closed(*rows) == []


def test_a_tactic_for_another_goal_and_a_search_that_broke_teach_nothing() -> None:
    turned = row(0, "a", "b", edges={"rotate_left\nend": 1})
    assert closed(turned, row(1, "b")) == []
    broken = row(0, "a", edges={"end": 1}, outcome=SearchOutcome.INFRASTRUCTURE)
    assert closed(broken, row(1, num_goals=0, state_text="", outcome=SearchOutcome.INFRASTRUCTURE)) == []


def test_a_line_that_goes_round_ends() -> None:
    rows = [row(0, "a", edges={"there": 1}), row(1, "a'", edges={"back": 0})]
    assert closed(*rows) == []
