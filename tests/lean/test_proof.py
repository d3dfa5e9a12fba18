from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import (
    ProofAdvanced,
    ProofFinished,
    ProofState,
    StateRef,
    TacticOutcome,
    TacticRejected,
    TacticTimedOut,
    Theorem,
)
from leanebm.core.limits import MAX_CONTEXT_CHARACTERS, MAX_HEADER_CHARACTERS, MAX_TEXT_CHARACTERS
from leanebm.errors import CommandRefused, ProtocolError, StaleState, StatementError, WorkerDied, WorkerTimeout
from leanebm.lean import CommandBackend, LeanPool, LeanPoolConfig, ProofHandle, ProofHandleOwned
from leanebm.lean.proof import _DELETED_TOGETHER

FakeConfig = Callable[..., LeanPoolConfig]
_THEOREM = Theorem(name="t", statement="p")


async def _advance(proof: ProofHandle, state: ProofState, tactic: str) -> ProofState:
    outcome = await proof.run_tactic(state, tactic)
    assert isinstance(outcome, ProofAdvanced | ProofFinished)
    return outcome.state


def _deleted(log: Path) -> list[int]:
    requests = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [i for request in requests if request["cmd"] == "goal.delete" for i in request["payload"]["stateIds"]]


@pytest.mark.parametrize("dialect", ["ours", "pantograph", "short"])
async def test_a_proof_in_every_dialect(fake_config: FakeConfig, dialect: str) -> None:
    async with LeanPool(fake_config(dialect=dialect)) as pool, pool.open(_THEOREM) as proof:
        assert proof.root.text == "⊢ p"
        split = await _advance(proof, await _advance(proof, proof.root, "intro h"), "split")
        assert split.text == "case left\nh : Prop\n⊢ p\n\ncase right\nh : Prop\n⊢ p"
        assert [goal.case_name for goal in split.goals] == ["left", "right"]
        finished = await proof.run_tactic(await _advance(proof, split, "done"), "done")
        assert isinstance(finished, ProofFinished)
        assert finished.state.is_solved


async def test_states_are_persistent(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        first = await _advance(proof, proof.root, "step")
        second = await _advance(proof, proof.root, "intro h")
        assert (first.text, second.text) == ("⊢ p'", "h : Prop\n⊢ p")
        assert (await _advance(proof, first, "step")).text == "⊢ p''"
        assert (await _advance(proof, proof.root, "step")).key == first.key


@pytest.mark.parametrize("tactic", ["fail", "nonsense", "refuse io broken", "sorry", "unsafe", "\ud800"])
async def test_a_tactic_that_does_not_count_is_rejected(fake_config: FakeConfig, tactic: str) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        outcome = await proof.run_tactic(proof.root, tactic)
        assert isinstance(outcome, TacticRejected)
        assert outcome.message


@pytest.mark.parametrize(
    ("tactic", "told"),
    [
        ("refuse io interrupt", "did not end within 7 s (tactic_timeout_s)"),
        ("refuse core (deterministic) timeout", "ran into a limit of Lean's: (deterministic) timeout"),
        ("refuse io maximum recursion depth has", "ran into a limit of Lean's: maximum recursion depth has"),
    ],
)
async def test_a_limit_inside_lean_leaves_the_worker_usable(fake_config: FakeConfig, tactic: str, told: str) -> None:
    async with LeanPool(fake_config(tactic_timeout_s=7.0)) as pool, pool.open(_THEOREM) as proof:
        outcome = await proof.run_tactic(proof.root, tactic)
        assert isinstance(outcome, TacticTimedOut)
        assert outcome.message == f"'{tactic}' {told}"
        assert isinstance(await proof.run_tactic(proof.root, "step"), ProofAdvanced)


async def test_a_misunderstood_request_is_no_rejected_tactic(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        with pytest.raises(CommandRefused):
            await proof.run_tactic(proof.root, "refuse command Unable to parse json")


# --- several goals ---


async def test_a_chosen_goal_comes_first_and_the_others_follow_in_a_ring(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        state = await _advance(proof, proof.root, "intro a")
        for tactic in ("split", "intro b", "split", "intro c"):
            state = await _advance(proof, state, tactic)
        assert [len(goal.hypotheses) for goal in state.goals] == [3, 2, 1]
        outcome = await proof.run_tactic(state, "split", goal=1)
        assert isinstance(outcome, ProofAdvanced)
        assert [len(goal.hypotheses) for goal in outcome.state.goals] == [2, 2, 1, 3]
        outcome = await proof.run_tactic(state, "done", goal=2)
        assert isinstance(outcome, ProofAdvanced)
        assert [len(goal.hypotheses) for goal in outcome.state.goals] == [3, 2]


@pytest.mark.parametrize("goal", [1, 2, -1])
async def test_a_goal_that_is_not_there_is_refused(fake_config: FakeConfig, goal: int) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        with pytest.raises(ValueError, match=f"no goal {goal}: the state has 1"):
            await proof.run_tactic(proof.root, "step", goal=goal)


@pytest.mark.parametrize(("dialect", "coupling"), [("ours", (0, 0, 2)), ("pantograph", (0, 0, 0))])
async def test_a_state_says_which_goals_share_metavariables(
    fake_config: FakeConfig, dialect: str, coupling: tuple[int, ...]
) -> None:
    async with LeanPool(fake_config(dialect=dialect)) as pool, pool.open(_THEOREM) as proof:
        assert proof.root.coupling == (0,)
        state = await _advance(proof, await _advance(proof, proof.root, "split"), "share")
        assert state.coupling == coupling


@pytest.mark.lean
async def test_goals_of_real_lean_are_solved_in_any_order(lean_pool: LeanPool) -> None:
    theorem = Theorem(name="t", statement="∀ p q r : Prop, p → q → r → p ∧ q ∧ r")
    async with lean_pool.open(theorem) as proof:
        state = await _advance(proof, proof.root, "intro p q r hp hq hr\nrefine ⟨?_, ?_, ?_⟩")
        assert [goal.target for goal in state.goals] == ["p", "q", "r"]
        assert len(set(state.coupling)) == 3
        outcome = await proof.run_tactic(state, "exact hq", goal=1)
        assert isinstance(outcome, ProofAdvanced)
        assert [goal.target for goal in outcome.state.goals] == ["r", "p"]
        again = await proof.run_tactic(outcome.state, "exact hp", goal=1)
        assert isinstance(again, ProofAdvanced)
        assert isinstance(await proof.run_tactic(again.state, "exact hr"), ProofFinished)
        assert isinstance(await proof.run_tactic(state, "exact hp", goal=2), TacticRejected)


@pytest.mark.lean
async def test_goals_of_real_lean_that_share_a_metavariable_say_so(lean_pool: LeanPool) -> None:
    async with lean_pool.open(Theorem(name="t", statement="(∃ n : Nat, n = 3 ∧ n > 0) ∧ True")) as proof:
        state = await _advance(proof, proof.root, "refine ⟨⟨?n, ?_, ?_⟩, ?_⟩")
        by_target = {goal.target: number for goal, number in zip(state.goals, state.coupling, strict=True)}
        assert len(state.goals) == 4
        assert by_target.pop("True") not in by_target.values()
        assert len(set(by_target.values())) == 1
        # Solving one settles another: n is 3, and no goal any more.
        equation = [goal.target for goal in state.goals].index("?n = 3")
        outcome = await proof.run_tactic(state, "rfl", goal=equation)
        assert isinstance(outcome, ProofAdvanced)
        assert sorted(goal.target for goal in outcome.state.goals) == ["3 > 0", "True"]
        assert len(set(outcome.state.coupling)) == 2


async def test_a_tactic_that_takes_too_long_is_named_with_its_limit(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(tactic_timeout_s=2.5)) as pool, pool.open(_THEOREM) as proof:
        outcome = await proof.run_tactic(proof.root, "refuse io interrupt")
        assert isinstance(outcome, TacticTimedOut)
        assert outcome.message == "'refuse io interrupt' did not end within 2.5 s (tactic_timeout_s)"


# --- stale states ---


async def test_states_of_other_proofs_are_refused(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as mine, pool.open(_THEOREM) as other:
        with pytest.raises(StaleState, match="another proof"):
            await mine.run_tactic(other.root, "step")
        stranger = attrs.evolve(mine.root, ref=StateRef(mine._worker.epoch - 1, mine.root.ref.state_id))
        with pytest.raises(StaleState, match="epoch"):
            await mine.run_tactic(stranger, "step")


async def test_freed_states_are_refused_and_freeing_twice_is_allowed(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        state = await _advance(proof, proof.root, "step")
        await proof.free([state])
        await proof.free([state])
        with pytest.raises(StaleState, match="freed"):
            await proof.run_tactic(state, "step")
        freed = [state]
        while len(freed) < _DELETED_TOGETHER:
            assert _deleted(log) == [], "the worker is told of many at once"
            freed.append(await _advance(proof, proof.root, "step"))
            await proof.free(freed[-1:])
        await proof.run_tactic(proof.root, "fail")
        assert _deleted(log) == sorted(state.ref.state_id for state in freed)


async def test_leaving_frees_everything_and_closes(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool:
        async with pool.open(_THEOREM) as proof:
            state = await _advance(proof, proof.root, "step")
        with pytest.raises(StaleState, match="closed"):
            await proof.run_tactic(state, "step")
        async with pool.open(_THEOREM):
            assert _deleted(log) == [proof.root.ref.state_id, state.ref.state_id]


@pytest.mark.parametrize("tactic", ["sorry", "unsafe"])
async def test_a_state_that_must_not_be_used_is_freed_at_once(
    fake_config: FakeConfig, tmp_path: Path, tactic: str
) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        await proof.run_tactic(proof.root, tactic)
        await proof.run_tactic(proof.root, "step")
        assert _deleted(log) == [1]


async def test_the_state_of_a_cancelled_tactic_is_freed(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        running = asyncio.ensure_future(proof.run_tactic(proof.root, "step"))
        while proof._worker._current is None:  # noqa: ASYNC110 - until the request is on its way, a few turns
            await asyncio.sleep(0)
        running.cancel()
        await proof.run_tactic(proof.root, "fail")
        await proof.run_tactic(proof.root, "fail")
        assert _deleted(log) == [1]


# --- several at once ---


async def _outcomes(proof: ProofHandle, tactics: list[str], **more: Any) -> list[TacticOutcome]:
    return [outcome async for outcome in proof.run_tactics(proof.root, tactics, **more)]


def _commands(log: Path) -> list[str]:
    return [json.loads(line)["cmd"] for line in log.read_bytes().splitlines()]


@pytest.mark.parametrize("goal", [0, 1])
@pytest.mark.parametrize("dialect", ["ours", "pantograph"])
async def test_several_tactics_lead_where_each_leads_alone(fake_config: FakeConfig, dialect: str, goal: int) -> None:
    tactics = ["step", "fail", "\ud800", "x" * (MAX_TEXT_CHARACTERS + 1), "split", "refuse io interrupt", "sorry"]
    async with LeanPool(fake_config(dialect=dialect)) as pool, pool.open(_THEOREM) as proof:
        split = await _advance(proof, proof.root, "split")
        alone = [await proof.run_tactic(split, tactic, goal=goal) for tactic in tactics]
        together = [outcome async for outcome in proof.run_tactics(split, tactics, goal=goal)]
        assert [type(outcome) for outcome in together] == [type(outcome) for outcome in alone]
        for one, of_several in zip(alone, together, strict=True):
            if isinstance(one, ProofAdvanced | ProofFinished):
                assert isinstance(of_several, ProofAdvanced | ProofFinished)
                assert of_several.state.key == one.state.key
            else:
                assert not isinstance(of_several, ProofAdvanced | ProofFinished)
                assert of_several.message == one.message


async def test_several_tactics_are_one_request_and_end_with_the_proof(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        outcomes = await _outcomes(proof, ["step", "done", "step"])
        assert [type(outcome) for outcome in outcomes] == [ProofAdvanced, ProofFinished]
        assert _commands(log) == ["stat", "goal.start", "goal.tactics"]
        assert proof._worker.requests == 2
        assert len(await _outcomes(proof, ["step", "step"], within_s=0.0)) == 1


async def test_a_worker_that_ends_in_the_middle_loses_only_what_was_not_answered(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(_THEOREM) as proof:
        outcomes = proof.run_tactics(proof.root, ["step", "fail", "die", "step"])
        assert isinstance(await anext(outcomes), ProofAdvanced)
        assert isinstance(await anext(outcomes), TacticRejected)
        with pytest.raises(WorkerDied, match="'die'"):
            await anext(outcomes)


@pytest.mark.parametrize("seen", [0, 1, 2])
async def test_the_states_of_tactics_that_nobody_waits_for_are_freed(
    fake_config: FakeConfig, tmp_path: Path, seen: int
) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        outcomes = proof.run_tactics(proof.root, ["step", "step", "fail", "step"])
        async with aclosing(outcomes):
            running = asyncio.ensure_future(_take(outcomes, seen))
            while proof._worker._current is None and not running.done():  # noqa: ASYNC110 - a few turns
                await asyncio.sleep(0)
            await running
            if not seen:
                running = asyncio.ensure_future(_take(outcomes, 1))
                while proof._worker._current is None:  # noqa: ASYNC110 - a few turns
                    await asyncio.sleep(0)
                running.cancel()
                with suppress(asyncio.CancelledError):
                    await running
        for _ in range(3):
            await proof.run_tactic(proof.root, "fail")
        assert _deleted(log) == [1, 2, 3][seen:]
        await _advance(proof, proof.root, "step")


async def _take(outcomes: AsyncIterator[TacticOutcome], count: int) -> None:
    for _ in range(count):
        await anext(outcomes)


async def _outcomes_again_and_again(proof: ProofHandle) -> None:
    while True:
        await _outcomes(proof, ["a", "b"])


_LIAR = """import json, sys
print("ready.", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    replies = {"goal.start": [{"stateId": 0, "goals": ["⊢ p"]}], "goal.tactics": json.loads(sys.argv[1])}
    for reply in replies.get(asked["cmd"], [{}]):
        print(json.dumps({**reply, "nonce": asked["nonce"]}))
    sys.stdout.flush()
"""


@pytest.mark.parametrize(
    ("left", "complaint"),
    [
        ([0, 0], "without being asked|more lines than parts"),
        ([2], "2 answers are said to be left where 2 were"),
        ([-1], "-1 answers"),
        ([None], "no 'left'"),
    ],
)
async def test_a_worker_that_miscounts_its_answers_is_not_believed(left: list[int | None], complaint: str) -> None:
    lines = [{"parseError": "no"} | ({} if count is None else {"left": count}) for count in left]
    backend = CommandBackend(argv=(sys.executable, "-c", _LIAR, json.dumps(lines)), name="lying")
    config = LeanPoolConfig(backend=backend, num_workers=1, imports=())
    async with LeanPool(config) as pool, pool.open(_THEOREM) as proof:
        with pytest.raises((ProtocolError, StaleState), match=complaint):
            await _outcomes_again_and_again(proof)


# --- statements ---


async def test_a_statement_that_does_not_elaborate_is_an_error(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        for statement in ("bad idea", "p \ud800"):
            with pytest.raises(StatementError):
                async with pool.open(Theorem(name="t", statement=statement)):
                    pytest.fail("it opened")
        assert pool.statistics().open_proofs == 0


async def test_a_statement_that_lean_had_no_time_for_is_not_called_a_bad_one(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(request_deadline_s=5.0)) as pool:
        with pytest.raises(CommandRefused, match=r"'slow' .* within 2\.5 s, half of request_deadline_s") as caught:
            await pool.open(Theorem(name="t", statement="slow"))
        assert not isinstance(caught.value, StatementError)
        assert pool.statistics().open_proofs == 0
        assert not pool.statistics().retirements


async def test_a_statement_that_outlasts_pantographs_deadline_is_not_called_a_bad_one(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(dialect="pantograph", request_deadline_s=2.0)) as pool:
        with pytest.raises(CommandRefused, match=r"'hang' was not elaborated within 2 s, request_deadline_s"):
            await pool.open(Theorem(name="t", statement="hang"))


async def test_a_statement_that_costs_its_worker_is_named(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(request_deadline_s=2.0)) as pool:
        with pytest.raises(WorkerTimeout, match=r"within 2 s \(request_deadline_s\) during goal\.start 'hang'"):
            await pool.open(Theorem(name="t", statement="hang"))


def _asked(log: Path) -> list[str]:
    requests = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [request["payload"].get("tactic") or request["cmd"] for request in requests]


async def test_the_library_is_made_ready_before_a_tactic_searches_it(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        for tactic in ("step", "apply?", "exact?", "rw?"):
            await proof.run_tactic(proof.root, tactic)
        assert _asked(log) == ["stat", "goal.start", "step", "exact?", "apply?", "exact?", "rw?", "rw?"]


async def test_pantograph_makes_nothing_ready(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    theorem = Theorem(name="t", statement="p")
    async with LeanPool(fake_config(dialect="pantograph", log=log)) as pool, pool.open(theorem) as proof:
        await proof.run_tactic(proof.root, "exact?")
        assert _asked(log).count("exact?") == 1


async def test_pantograph_takes_universes_limits_and_plain_open_lines_only(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(dialect="pantograph", log=log)) as pool:
        async with pool.open(attrs.evolve(_THEOREM, header="universe u")):
            assert b'"levels":["u"]' in log.read_bytes()
        async with pool.open(attrs.evolve(_THEOREM, header="set_option maxHeartbeats 0")):
            assert b'"file":"set_option maxHeartbeats 0\\n"' in log.read_bytes()
        for header in ("open Nat hiding add", "set_option pp.all true", "set_option maxRecDepth evil"):
            with pytest.raises(StatementError, match="universe"):
                async with pool.open(attrs.evolve(_THEOREM, header=header)):
                    pytest.fail("it opened")


async def test_pantograph_says_how_to_write_what_it_cannot_read(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config(dialect="pantograph")) as pool:
        with pytest.raises(StatementError, match=r"∀ \(h : p\), q"):
            await pool.open(Theorem(name="t", statement="(h : p) : q"))
        with pytest.raises(StatementError, match="another backend"):
            await pool.open(Theorem(name="t", statement="p", context='notation "x" => 1'))


async def test_a_library_theorem_is_opened_by_name(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool, pool.open(Theorem(name="t", copy_from="Nat.add_comm")) as proof:
        assert proof.root.text == "⊢ type of Nat.add_comm"


# --- proofs that belong to no block ---


async def test_an_awaited_proof_may_be_handed_to_another_task(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        mine = await pool.open(_THEOREM)
        assert type(mine) is ProofHandleOwned

        async def finish() -> Any:
            async with mine as proof:
                return await proof.run_tactic(proof.root, "done")

        assert isinstance(await asyncio.ensure_future(finish()), ProofFinished)
        assert pool.statistics().open_proofs == 0
        await mine.aclose()
        assert pool.statistics().open_proofs == 0


async def test_a_proof_outlives_the_object_it_was_opened_with(fake_config: FakeConfig) -> None:
    """As in a notebook, where ``__aenter__`` was called by hand, and nobody keeps what ``open`` returned."""
    async with LeanPool(fake_config()) as pool:
        proof = await pool.open(_THEOREM).__aenter__()
        gc.collect()
        await asyncio.sleep(0)
        assert isinstance(await proof.run_tactic(proof.root, "done"), ProofFinished)
        await proof.aclose()
        with pytest.raises(StaleState, match=r"'t' was closed, by aclose\(\) or at the end of .* 'proof = await pool"):
            await proof.run_tactic(proof.root, "done")


async def test_a_forgotten_proof_warns_and_gives_its_worker_back(fake_config: FakeConfig) -> None:
    async with LeanPool(fake_config()) as pool:
        proof = await pool.open(_THEOREM)
        with pytest.warns(ResourceWarning, match="'t' on worker 0, 1 states> was never closed; use 'async with', or"):
            proof.__del__()
        while pool.statistics().open_proofs:  # noqa: ASYNC110 - until the loop comes to it, a turn or two
            await asyncio.sleep(0)
        del proof


async def test_a_text_that_is_too_long_is_refused_unseen(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "x" * (MAX_TEXT_CHARACTERS + 1)
    async with LeanPool(fake_config(log=log)) as pool, pool.open(_THEOREM) as proof:
        split = await _advance(proof, proof.root, "split")
        asked = len(log.read_bytes().splitlines())
        for goal in (0, 1):
            outcome = await proof.run_tactic(split, text, goal=goal)
            assert isinstance(outcome, TacticRejected)
            assert "too long" in outcome.message
        assert len(log.read_bytes().splitlines()) == asked


@pytest.mark.parametrize(
    "theorem",
    [
        Theorem(name="t", statement="p" * (MAX_TEXT_CHARACTERS + 1)),
        Theorem(name="t", copy_from="p" * (MAX_TEXT_CHARACTERS + 1)),
        attrs.evolve(_THEOREM, header="u" * (MAX_HEADER_CHARACTERS + 1)),
        attrs.evolve(_THEOREM, context="c" * (MAX_CONTEXT_CHARACTERS + 1)),
    ],
    ids=["statement", "name", "header", "context"],
)
async def test_a_theorem_that_is_too_long_is_refused_unseen(
    fake_config: FakeConfig, tmp_path: Path, theorem: Theorem
) -> None:
    log = tmp_path / "log"
    async with LeanPool(fake_config(log=log)) as pool:
        with pytest.raises(StatementError, match="too long"):
            await pool.open(theorem)
    assert b"goal.start" not in log.read_bytes()


async def test_on_pantograph_each_proof_stands_on_its_own_context(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    header, context = "universe u\nopen Nat", "def f (α : Type u) := α"
    mine, other = Theorem(name="m", statement="p", header=header, context=context), Theorem(name="o", statement="p")
    async with LeanPool(fake_config(dialect="pantograph", log=log, imports=("Init",))) as pool:
        async with pool.open(mine) as first, pool.open(other) as second:
            assert isinstance(await first.run_tactic(first.root, "under Nat"), ProofAdvanced)
            assert isinstance(await second.run_tactic(second.root, "step"), ProofAdvanced)
        async with pool.open(other):
            pass
    processed = [json.loads(line)["payload"] for line in log.read_text().splitlines() if "frontend.process" in line]
    assert [(request["file"], request["readHeader"]) for request in processed] == [
        (f"import Init\nopen Nat\nuniverse u\n{context}\n", True),
        ("import Init\n", True),
        ("open Nat\n", False),  # a state has its context, and lacks only what was opened
        ("", False),
    ]


async def test_on_pantograph_each_proof_stands_under_its_own_header(fake_config: FakeConfig, tmp_path: Path) -> None:
    """It has one header for all commands, so that two proofs on one worker must take turns."""
    log = tmp_path / "log"
    nat, plain = Theorem(name="n", statement="p", header="open Nat"), Theorem(name="p", statement="p")
    async with LeanPool(fake_config(dialect="pantograph", log=log)) as pool:
        async with pool.open(nat) as first, pool.open(plain) as second:
            for _ in range(2):
                assert isinstance(await first.run_tactic(first.root, "under Nat"), ProofAdvanced)
                assert isinstance(await second.run_tactic(second.root, "under Nat"), TacticRejected)
            assert isinstance(await second.run_tactic(second.root, "step"), ProofAdvanced)
        with pytest.raises(StatementError, match="unknown namespace 'Nonexistent'"):
            await pool.open(Theorem(name="t", statement="p", header="open Nonexistent"))
    assert _asked(log).count("frontend.process") == 7  # one for each turn, none where the header stays


@pytest.mark.parametrize("dialect", ["ours", "pantograph"])
async def test_no_tactic_follows_a_proof_or_the_end_of_the_time(fake_config: FakeConfig, dialect: str) -> None:
    async with LeanPool(fake_config(dialect=dialect)) as pool, pool.open(_THEOREM) as proof:
        assert len(await _outcomes(proof, ["step", "done", "step"])) == 2
        assert len(await _outcomes(proof, ["step", "step"], within_s=0.0)) == 1
