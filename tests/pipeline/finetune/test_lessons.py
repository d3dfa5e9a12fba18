from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Candidate, NodeStatus, SearchOutcome, TacticFate, Theorem
from leanebm.core.proof_script import on_goal
from leanebm.errors import ConfigError
from leanebm.pipeline import LessonKind, RunConfig, SearchRun
from leanebm.pipeline.finetune.lessons import FinetuneSources, Lessons, closed_goals, steps_that_led_on
from leanebm.search import SearchBudget, SearchConfig
from leanebm.testing import LOST, QED, TIMEOUT, ScriptedPolicy, ToyWorld
from leanebm.trajectory import Attempt, TrajectoryRow, read_trajectory

Edges = dict[str, int]

WORLD = ToyWorld(
    moves={
        "a": {"go": "b", "slow": TIMEOUT},
        "b": {"end": QED},
        "c": {"end": QED},
        "d": {"end": QED, "go": "d1"},
        "broken": {"kill": LOST, "go": "b"},
        "open": {"go": "open1"},
        "open1": {},
    }
)
POLICY = ScriptedPolicy(
    script={},
    default=[
        Candidate(tactic, log_prob, num_tokens=1)
        for tactic, log_prob in (
            ("bad", -0.5), ("slow", -0.7), ("go", -1.0), ("worse", -1.5), ("end", -2.0), ("kill", -3.0),
        )
    ],
)  # fmt: skip


@pytest.fixture
async def run(tmp_path: Path, config: RunConfig, toy_bench: Callable[..., Any]) -> Path:
    theorems = [Theorem(name=name, statement=name) for name in ("a", "c", "d", "broken", "open")]
    small = attrs.evolve(config, search=SearchConfig(budget=SearchBudget(max_expansions=20)))
    await SearchRun(small, theorems, tmp_path / "run", opening=toy_bench(WORLD, policy=POLICY)).run()
    return tmp_path / "run"


def read(*trajectories: Path, pairs: tuple[Path, ...] = (), most: int = 8, seed: int = 0) -> Lessons:
    sources = FinetuneSources(trajectories=trajectories, pairs=pairs)
    return Lessons.read(sources, validation_fraction=0.3, max_rejected_per_state=most, seed=seed)


def rejected(lessons: Lessons) -> set[tuple[str, str]]:
    return {
        (lesson.state, lesson.tactic) for side in (lessons.training, lessons.validation) for lesson in side.rejected
    }


async def test_only_what_lean_refused_is_unlearnt(run: Path) -> None:
    outcomes = {record.theorem.name: record.outcome for record in read_trajectory(run).records}
    assert outcomes["broken"] == "infrastructure"
    assert any(
        attempt.kind is TacticFate.REJECTED
        for row in read_trajectory(run).rows() if row.theorem == "broken" for attempt in row.attempts
    ), "the broken search holds refused tactics, so leaving them out means something"  # fmt: skip
    found = rejected(read(run))
    assert not [pair for pair in found if pair[0] == "⊢ broken"]
    assert ("⊢ open", "bad") in found, "a search without a proof still knows what Lean refused"
    assert not [pair for pair in found if pair == ("⊢ a", "slow")], "a limit is no refusal"
    assert ("⊢ d", "slow") in found, "and there it was refused"


async def test_a_tactic_that_was_accepted_anywhere_is_not_unlearnt_there(run: Path, write_pairs: Any) -> None:
    assert ("⊢ c", "bad") in rejected(read(run))
    pairs = write_pairs(3)
    pairs.write_text(pairs.read_text() + '{"theorem": "x", "statement": "x", "step": 0, "num_steps": 1, '
                     '"state": "⊢ c", "tactic": "bad"}\n')  # fmt: skip
    assert ("⊢ c", "bad") not in rejected(read(run, pairs=(pairs,)))


async def test_the_likeliest_refused_tactics_of_a_state_are_kept(run: Path) -> None:
    kept = [tactic for state, tactic in rejected(read(run, most=1)) if state == "⊢ open"]
    assert kept == ["bad"]


async def test_proofs_come_from_certificates_and_pairs_alike(run: Path, write_pairs: Any) -> None:
    lessons = read(run, pairs=(write_pairs(6),))
    learnt = {
        (lesson.state, lesson.tactic) for side in (lessons.training, lessons.validation) for lesson in side.proofs
    }
    assert {("⊢ c", "end"), ("⊢ 3 + 0 = 3", "rw [Nat.add_zero]")} <= learnt
    assert not [state for state, _ in learnt if state in ("⊢ open", "⊢ broken")]


def test_the_sides_share_neither_theorems_nor_states(write_pairs: Any) -> None:
    for seed in range(5):
        lessons = read(pairs=(write_pairs(20),), seed=seed)
        for what in ("claim", "state"):
            sides = [{getattr(one, what) for one in side.proofs} for side in (lessons.training, lessons.validation)]
            assert sides[0]
            assert sides[1]
            assert not sides[0] & sides[1]


def test_a_theorem_stays_on_its_side_as_others_come(write_pairs: Any) -> None:
    before, after = (read(pairs=(write_pairs(count),)) for count in (10, 40))
    held_out = {lesson.claim for lesson in after.validation.proofs}
    # The lowest and the highest fall where they must; all others fall by themselves.
    stayed = {lesson.claim for lesson in before.validation.proofs} & held_out
    assert len(stayed) >= before.validation.num_theorems - 1


def test_a_theorem_with_two_names_is_one(write_pairs: Any, tmp_path: Path) -> None:
    pairs = write_pairs(2)
    again = tmp_path / "again.jsonl"
    again.write_text(pairs.read_text().replace('"t0"', '"renamed"'))
    lessons = read(pairs=(pairs, again))
    assert lessons.training.num_theorems + lessons.validation.num_theorems == 2


def test_what_is_held_out_has_a_state_of_its_own(write_pairs: Any) -> None:
    """Of theorems that all go through the same states but for one, that one is held out."""
    pairs = write_pairs(12)
    steps = [json.loads(line) for line in pairs.read_text().splitlines()]
    for step in steps:
        if step["theorem"] not in ("t5", "t6"):
            step["state"] = f"⊢ step {step['step']}"
    pairs.write_text("".join(json.dumps(step) + "\n" for step in steps))
    for seed in range(5):
        assert read(pairs=(pairs,), seed=seed).validation.proofs
    for step in steps:
        step["state"] = "⊢ the same"
    pairs.write_text("".join(json.dumps(step) + "\n" for step in steps))
    with pytest.raises(ConfigError, match="each theorem shares all of its states"):
        read(pairs=(pairs,))


def test_too_little_is_an_error(write_pairs: Any) -> None:
    with pytest.raises(ConfigError, match="of 1 theorems, and at least 2"):
        read(pairs=(write_pairs(1),))
    with pytest.raises(ConfigError, match="nothing to learn from"):
        read()


def test_a_folder_without_a_trajectory_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no trajectory yet"):
        read(tmp_path)


async def test_in_hindsight_every_goal_that_a_search_closed_is_a_proof(
    tmp_path: Path, config: RunConfig, toy_bench: Callable[..., Any]
) -> None:
    """Of ``half`` one goal was closed, and the other one never: nothing was proved."""
    world = ToyWorld(moves={"half": {"go": "left & right"}, "left": {"end": QED}, "right": {}, **WORLD.moves})
    theorems = [Theorem(name=name, statement=name) for name in ("a", "c", "half")]
    small = attrs.evolve(config, search=SearchConfig(budget=SearchBudget(max_expansions=20)))
    await SearchRun(small, theorems, tmp_path / "run", opening=toy_bench(world, policy=POLICY)).run()
    sources = FinetuneSources(trajectories=(tmp_path / "run",))

    def proofs(learn: LessonKind) -> set[tuple[str, str]]:
        found = Lessons.read(sources, validation_fraction=0.3, max_rejected_per_state=8, seed=0, learn=learn)
        return {(one.state, one.tactic) for side in (found.training, found.validation) for one in side.proofs}

    certified = proofs(LessonKind.PROOFS)
    assert certified == {("⊢ a", "go"), ("⊢ b", "end"), ("⊢ c", "end")}
    assert proofs(LessonKind.GOALS) - certified == {("⊢ left", "end")}
    assert proofs(LessonKind.ACCEPTED) - certified == {("⊢ half", "go"), ("⊢ left\n\n⊢ right", "end")}


def test_first_lessons_are_what_led_on() -> None:
    attempts = [Attempt(tactic=kind.value, log_prob=-1.0, kind=kind, target=1) for kind in TacticFate]
    searched = attrs.evolve(row(0, "a"), attempts=(*attempts, attrs.evolve(attempts[0], tactic=on_goal(1, "simp"))))
    assert {tactic for _, tactic in steps_that_led_on([searched])} == {"advanced", "finished", "merged"}
    assert {state for state, _ in steps_that_led_on([searched])} == {"⊢ a"}
    assert not list(steps_that_led_on([attrs.evolve(searched, outcome=SearchOutcome.INFRASTRUCTURE)]))
    assert not list(steps_that_led_on([row(1)])), "a state without goals has no tactic"


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
    return [(goal, tactics[0], len(tactics)) for goal, tactics in closed_goals(rows)]


def test_half_of_a_conjunction_is_a_theorem_although_the_whole_was_not_proved() -> None:
    rows = [
        row(0, "a ∧ b", edges={"constructor": 1}),
        row(1, "a", "b", edges={"go": 2}),
        row(2, "a'", "b", edges={"end": 3}),
        row(3, "b", edges={"stuck": 4}),
        row(4, "b'"),
    ]
    assert closed(*rows) == [("⊢ a", "go", 2), ("⊢ a'", "end", 1)]
    assert [tactics for _, tactics in closed_goals(rows)] == [("go", "end"), ("end",)]


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
