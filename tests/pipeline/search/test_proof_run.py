from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest

from leanebm.core import Candidate, SearchOutcome, Theorem
from leanebm.errors import ConfigError, PolicyUnavailable, StatementError
from leanebm.pipeline import EnergyConfig, Observer, Parts, ProofAttempt, ProofRun, RunConfig, read_context, theorem_of
from leanebm.pipeline.events import LogObserver, PipelineEvent, StageFinished, StageStarted
from leanebm.pipeline.search import proof_run
from leanebm.pipeline.workbench import open_workbench
from leanebm.policy import PolicyClientConfig
from leanebm.search import BestFirstSearch, NegativeEnergy, SearchBudget, SearchConfig
from leanebm.testing import LOST, TIMEOUT, ScriptedPolicy, ToyWorld

ToyBench = Callable[..., Any]

EIGHT = Theorem(name="eight", statement="8")


async def test_a_search_ends_with_a_certificate(config: RunConfig, world: ToyWorld, toy_bench: ToyBench) -> None:
    attempt = await ProofRun(config, EIGHT, opening=toy_bench(world)).run()
    assert attempt.is_proved
    assert attempt.certificate is not None
    assert world.replay("8", attempt.certificate.tactics) == "∎"
    assert attempt.tactic_calls > 0


async def test_given_tactics_are_replayed_and_certified(
    config: RunConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    tactics = ["halve", "halve", "halve", "done"]
    attempt = await ProofRun(config, EIGHT, tactics=tactics, opening=toy_bench(world)).run()
    assert attempt.outcome == "proved"
    assert attempt.certificate is not None
    assert attempt.certificate.tactics == tuple(tactics)


async def test_a_replay_says_that_it_certifies(config: RunConfig, world: ToyWorld, toy_bench: ToyBench) -> None:
    events: list[PipelineEvent] = []
    observer = SimpleNamespace(notify=events.append)
    tactics = ["halve", "halve", "halve", "done"]
    await ProofRun(config, EIGHT, tactics=tactics, opening=toy_bench(world), observer=observer).run()
    assert [(type(event), event.stage) for event in events if event.stage == "certifying"] == [
        (StageStarted, "certifying"),
        (StageFinished, "certifying"),
    ]


@pytest.mark.parametrize(
    ("tactics", "words"),
    [
        (["halve", "jump"], ["Tactic 2", "`jump`", "⊢ 4"]),
        (["halve", "rest"], ["Tactic 2", "heartbeats"]),
        (["halve", "halve"], ["goals are left", "⊢ 2"]),
        (["halve", "halve", "halve", "done", "again"], ["complete after tactic 4", "leave out `again`"]),
    ],
)
async def test_tactics_that_fall_short_are_told_why(
    config: RunConfig, toy_bench: ToyBench, tactics: list[str], words: list[str]
) -> None:
    moves = ToyWorld.countdown(32).moves
    world = ToyWorld(moves={**moves, "4": {**moves["4"], "rest": TIMEOUT}})
    attempt = await ProofRun(config, EIGHT, tactics=tactics, opening=toy_bench(world)).run()
    assert attempt.outcome == "incomplete"
    assert not attempt.is_proved
    for word in words:
        assert word in attempt.sentence


@pytest.mark.parametrize(
    ("moves", "budget", "words"),
    [
        ({"2": {"one": "1"}, "1": {}}, 8, ["every state", "A larger budget changes nothing"]),
        ({"2": {}}, 8, ["Lean refused all that the policy proposed", "(2 tactics)", "more --candidates"]),
        ({"2": {"one": "1", "two": "3"}, "1": {}, "3": {}}, 1, ["Not proved within 1 expansion (--budget)"]),
        (
            {"2": {"one": "1"}, "1": {}, "¬ (2)": {"simp": "∎"}},
            8,
            ["and false: `simp` proves its negation."],
        ),
    ],
)
async def test_the_advice_fits_how_the_search_ended(
    config: RunConfig, toy_bench: ToyBench, moves: dict[str, Any], budget: int, words: list[str]
) -> None:
    policy = ScriptedPolicy(script={}, default=[Candidate(tactic, -1.0) for tactic in ("one", "two")])
    limited = attrs.evolve(config, search=attrs.evolve(config.search, budget=SearchBudget(max_expansions=budget)))
    opening = toy_bench(ToyWorld(moves=moves), policy=policy)
    attempt = await ProofRun(limited, Theorem(name="two", statement="2"), opening=opening).run()
    assert not attempt.is_proved
    for word in words:
        assert word in attempt.sentence


@pytest.mark.lean
async def test_what_is_false_is_called_false(embedded_lean: object) -> None:
    assert embedded_lean is not None
    quick = attrs.evolve(RunConfig(), search=attrs.evolve(RunConfig().search, budget=SearchBudget(max_expansions=1)))
    for statement, refutation in {"(n : Nat) : n < 5": "h 10", "∀ p q : Prop, p ∨ q → p": "h False True"}.items():
        attempt = await ProofRun(quick, statement).run()
        assert attempt.sentence.startswith(f"Not proved, and false: `exact fun h => absurd ({refutation}) "), statement


REFUSED = {
    "1 + 1 =": "unexpected end of input, at column 8, in '1 + 1 ='\nA statement is a Lean proposition, for example",
    "1 = 1 2 = 2": "at column 9, in '1 = 1 2 = 2'\nOne proposition is expected",
    "(n : Nat) : n = n ∧ 1 =": "unexpected end of input, at column 24",
    r"\forall n, n = n": "That is LaTeX",
    "n + 0 = n": "identifier `n`\nName only what Lean knows or what the statement binds itself",
    "Prove that 1 = 1": "A statement is written in Lean",
    "by simp": "That is a proof",
    "Nat.add_comm": "That is a name",
    "∀ x : ℝ, x = x": "or name a Lake project",
}


@pytest.mark.lean
async def test_a_statement_that_lean_refuses_is_refused_with_what_to_do(embedded_lean: object) -> None:
    assert embedded_lean is not None
    async with open_workbench(proof_run.for_one_proof(RunConfig()), LogObserver()) as bench:
        for statement, told in REFUSED.items():
            with pytest.raises(StatementError) as caught:
                await proof_run.attempt(
                    theorem_of(statement), bench, search=SearchConfig(), tactics=(), observer=LogObserver()
                )
            assert told in str(caught.value), statement


def test_a_files_name_is_no_statement() -> None:
    with pytest.raises(ConfigError, match="`leanebm search --theorems` proves what a file states"):
        theorem_of("mine.txt")


async def test_a_cheat_is_found_and_rejected(config: RunConfig, toy_bench: ToyBench) -> None:
    world = ToyWorld(moves={"1": {"cheat": "∎"}}, cheats=frozenset({("1", "cheat")}))
    one = Theorem(name="one", statement="1")
    for tactics in ([], ["cheat"]):
        attempt = await ProofRun(config, one, tactics=tactics, opening=toy_bench(world)).run()
        assert attempt.outcome == "rejected"
        assert [rejection.reason for rejection in attempt.rejections] == ["axioms"]


async def test_what_breaks_is_raised_and_never_called_unproved(
    config: RunConfig, world: ToyWorld, toy_bench: ToyBench
) -> None:
    gone = ScriptedPolicy(script={"8": PolicyUnavailable("gone")})
    with pytest.raises(PolicyUnavailable):
        await ProofRun(config, EIGHT, opening=toy_bench(world, policy=gone)).run()
    with pytest.raises(StatementError):
        await ProofRun(config, Theorem(name="x", statement="no number"), opening=toy_bench(world)).run()
    deadly = ToyWorld(moves={"8": {"halve": LOST}})
    with pytest.raises(Exception, match="killed the worker"):
        await ProofRun(config, EIGHT, tactics=["halve"], opening=toy_bench(deadly)).run()


def test_equal_statements_get_equal_names() -> None:
    assert theorem_of("True") == theorem_of("True")
    assert theorem_of("True").name != theorem_of("False").name


def test_a_text_may_import_what_its_run_imports() -> None:
    text = "import Mathlib\ntheorem t : True"
    assert theorem_of(text, imports=("Mathlib",)) == theorem_of("theorem t : True")
    with pytest.raises(ConfigError, match="--imports Init,Mathlib"):
        theorem_of(text, imports=("Init",))
    with pytest.raises(ConfigError, match="states nothing"):
        theorem_of("  ", imports=("Init",))


def test_everything_wrong_with_a_statement_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        theorem_of("theorem t : (True", name="a b", header="def x := 1")
    assert len(caught.value.problems) >= 3
    with pytest.raises(ConfigError, match="name"):
        theorem_of("True", name=" ")


def test_a_context_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "context.lean"
    file.write_bytes(b"\xef\xbb\xbfdef f := 1\r\n")
    assert read_context(file) == "def f := 1\n"
    assert theorem_of("f = 1", context=read_context(file)).context == "def f := 1"
    file.write_text("import Mathlib\nimport Std\ndef f := 1\n")
    with pytest.raises(ConfigError, match="--imports") as caught:
        read_context(file)
    assert len(caught.value.problems) == 2
    assert read_context(file, ("Init", "Mathlib", "Std")) == "def f := 1"
    file.write_bytes(b"\xff")
    for unreadable in (file, tmp_path, tmp_path / "absent"):
        with pytest.raises(ConfigError, match="cannot read"):
            read_context(unreadable)


def test_what_an_attempt_shows_steers_no_terminal_and_no_page() -> None:
    sentence = "Tactic `rfl -- \x1bc\u202e` failed"
    evil = ProofAttempt(theorem=theorem_of("True"), outcome=SearchOutcome.INCOMPLETE, sentence=sentence)
    for shown in (str(evil), repr(evil), evil._repr_html_()):
        assert not any(each in shown for each in "\x1b\u202e")
        assert "rfl -- " in shown


async def test_a_replay_starts_no_server_and_no_part_of_a_search(
    config: RunConfig, world: ToyWorld, toy_bench: ToyBench, tmp_path: Path
) -> None:
    opened: list[RunConfig] = []

    def opening(given: RunConfig, observer: Observer) -> Any:
        given.check_energies()
        opened.append(given)
        return toy_bench(world)(given, observer)

    asked = attrs.evolve(
        config,
        policy=PolicyClientConfig(url="http://nobody.invalid:1"),
        energy=EnergyConfig(path=tmp_path, beta=1.0),
        scorer=NegativeEnergy(),
        parts=Parts(search=BestFirstSearch),
    )
    tactics = ["halve", "halve", "halve", "done"]
    assert (await ProofRun(asked, EIGHT, tactics=tactics, opening=opening).run()).is_proved
    assert (
        await ProofRun(attrs.evolve(config, without=("grind",)), EIGHT, tactics=tactics, opening=opening).run()
    ).is_proved
    assert [(each.needs_server, each.energy.path) for each in opened] == [(False, None)] * 2


async def test_a_run_takes_a_statement(config: RunConfig, world: ToyWorld, toy_bench: ToyBench) -> None:
    assert (await ProofRun(config, "8", opening=toy_bench(world)).run()).is_proved
    with pytest.raises(TypeError, match="got 8"):
        ProofRun(config, 8)  # type: ignore[arg-type]


def test_states_that_were_left_out_are_told_of() -> None:
    spent = SimpleNamespace(expansions=1, tactic_calls=1, wall_s=0.0)
    result: Any = SimpleNamespace(outcome=SearchOutcome.BUDGET_SPENT, nodes=(), statistics=spent)
    assert "some states were left out" in proof_run._shortfall(result, SearchBudget(max_expansions=2))


@pytest.mark.parametrize(
    ("statement", "said", "told"),
    [
        (r"\forall n, n = n", "unexpected token", "That is LaTeX"),
        ("n + 0 = n", "Unknown identifier `n`", "Name only what Lean knows"),
        ("1 = 1 2 = 2", "expected end of input", "One proposition is expected"),
    ],
)
def test_the_advice_fits_what_was_typed(statement: str, said: str, told: str) -> None:
    assert told in proof_run._advice(Theorem(name="t", statement=statement), StatementError("parse", said))
