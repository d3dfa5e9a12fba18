from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import (
    Certificate,
    CertificationRejected,
    Proof,
    ProofAdvanced,
    ProofFinished,
    ProofState,
    ProofStep,
    Theorem,
)
from leanebm.core.limits import MAX_CONTEXT_CHARACTERS, MAX_FILE_CHARACTERS, MAX_HEADER_CHARACTERS, MAX_TEXT_CHARACTERS
from leanebm.errors import CommandRefused, PoolClosed, WorkerDied, WorkerLost, WorkerStartError
from leanebm.lean import Certifier, LeanBackend, LeanPool, LeanPoolConfig, WorkerCommand
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply
from leanebm.lean.certifier import assemble, audit, declaration_name, lean_file
from leanebm.lean.embedded import EmbeddedLean
from leanebm.testing import check_certifier

FakeConfig = Callable[..., LeanPoolConfig]

_THEOREM = Theorem(name="my theorem", statement="p", header="open Nat")

_SCOPED = Theorem(name="my theorem", statement="p", header="universe u")


def _requests(log: Path, command: str) -> list[dict[str, object]]:
    requests = [json.loads(line) for line in log.read_bytes().splitlines()]
    return [request["payload"] for request in requests if request["cmd"] == command]


async def test_a_proof_is_certified(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with Certifier(fake_config(log=log)) as certifier:
        result = await certifier.certify(_THEOREM, ["intro x", "done"])
    assert isinstance(result, Certificate)
    assert result.theorem is _THEOREM
    assert result.tactics == ("intro x", "done")
    assert (result.statement, result.fingerprint, result.axioms) == ("p", "f00d", ("propext",))
    assert (result.lean_version, result.backend, result.imports) == ("4.0.0-fake", "fake", ())
    body = "open Nat\n\ntheorem leanebm_my_theorem : p := by\n  intro x\n  done\n"
    assert result.source == "\n" + body
    (request,) = _requests(log, "proof.certify")
    scope = {"expr": "p", "header": "open Nat"}
    assert request == {"source": body, "name": "leanebm_my_theorem", "timeout": 120_000, **scope}


async def test_a_library_theorem_is_certified_by_its_name(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    theorem = Theorem(name="t", copy_from="Nat.add_comm")
    async with Certifier(fake_config(log=log)) as certifier:
        result = await certifier.certify(theorem, ["done"])
    assert isinstance(result, Certificate)
    assert "-- Nat.add_comm : type of Nat.add_comm\ntheorem leanebm_t : type_of% @Nat.add_comm" in result.source
    assert "attribute [-simp, -grind] Nat.add_comm\n" in result.source
    assert _requests(log, "proof.certify")[0]["copyFrom"] == "Nat.add_comm"


@pytest.mark.parametrize("tactics", [["sorry"], ["\ud800"], ["step"], []])
async def test_what_is_no_proof_is_rejected_with_a_reason(fake_config: FakeConfig, tactics: list[str]) -> None:
    async with Certifier(fake_config()) as certifier:
        result = await certifier.certify(_THEOREM, tactics)
    assert isinstance(result, CertificationRejected)
    assert result.reason
    assert result.message


async def test_a_text_is_certified_as_it_is(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    text = "open Nat\n\n-- mine\ntheorem  mine : p := by\n  done\n"
    async with Certifier(fake_config(log=log)) as certifier:
        result = await certifier.certify_text(_THEOREM, text, name="mine")
    assert isinstance(result, Certificate)
    assert result.source == "\n" + text
    request = _requests(log, "proof.certify")[0]
    assert (request["source"], request["name"]) == (text, "mine")


async def test_pantograph_is_not_given_a_header_that_it_cannot_check(fake_config: FakeConfig) -> None:
    async with Certifier(fake_config(dialect="pantograph")) as certifier:
        result = await certifier.certify(attrs.evolve(_THEOREM, header="open Nat hiding add"), ["done"])
    assert isinstance(result, CertificationRejected)
    assert result.reason == "forbidden"


@pytest.mark.parametrize("change", [{"context": "def f := 1\n#eval f"}, {"statement": "(h : p) : p"}])
async def test_pantograph_certifies_neither_commands_nor_binders(
    fake_config: FakeConfig, change: dict[str, str]
) -> None:
    theorem = attrs.evolve(_THEOREM, header="", **change)
    async with Certifier(fake_config(dialect="pantograph")) as certifier:
        result = await certifier.certify(theorem, ["done"])
    assert isinstance(result, CertificationRejected)
    assert result.reason == "forbidden"


async def test_a_context_is_there_for_its_own_theorem_alone(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    context = "def f := 1"
    contexts = (context, context, "", "def f := 2")
    async with Certifier(fake_config(dialect="pantograph", log=log, imports=("Init",))) as certifier:
        for each in contexts:
            result = await certifier.certify(Theorem(name="t", statement="p", context=each), ["done"])
            assert isinstance(result, Certificate)
    asked = _requests(log, "frontend.process")
    declared = [request["file"] for request in asked if request["inheritEnv"]]
    assert declared == [f"import Init\n{each}\n" for each in (context, "def f := 2")]
    for request in asked:
        assert request["readHeader"] == str(request["file"]).startswith("import Init\n"), request
    assert log.read_text().count('"stat"') == 2  # workers: none goes on where a context was


@pytest.mark.parametrize("dialect", ["ours", "pantograph"])
async def test_a_proof_that_lean_had_no_time_for_is_not_rejected(fake_config: FakeConfig, dialect: str) -> None:
    theorem = Theorem(name="long", statement="p")
    told = r"the proof of 'long' was not checked within 7 s \(deadline_s of the certifier\)"
    async with Certifier(fake_config(dialect=dialect, tactic_timeout_s=3.0), deadline_s=7.0) as certifier:
        with pytest.raises(CommandRefused, match=told):
            await certifier.certify(theorem, ["-- out of time", "done"])
        assert isinstance(await certifier.certify(theorem, ["done"]), Certificate)


async def test_pantograph_has_more_time_for_a_whole_proof_than_for_a_tactic(fake_config: FakeConfig) -> None:
    theorem = Theorem(name="long", statement="p")
    async with Certifier(fake_config(dialect="pantograph", tactic_timeout_s=3.0), deadline_s=7.0) as certifier:
        assert isinstance(await certifier.certify(theorem, ["-- takes 6000", "done"]), Certificate)


@attrs.frozen
class _PantographOfKnownLean:
    """A Pantograph whose version of Lean its checkout tells, for it does not say so itself."""

    fake: LeanBackend
    name: str = "pantograph"

    def prepare(self, imports: Sequence[str]) -> WorkerCommand:
        return attrs.evolve(self.fake.prepare(imports), lean_version="4.26.0")


async def test_no_proof_is_certified_on_top_of_what_pantograph_opened_for_another(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    headers = ("", "open Nat", "open Nat\nuniverse u", "open Int", "")
    async with Certifier(fake_config(dialect="pantograph", log=log)) as certifier:
        for header in headers:
            result = await certifier.certify(Theorem(name="t", statement="p", header=header), ["done"])
            assert isinstance(result, Certificate)
            assert result.source.startswith(f"\n{header}")
    opened = [request["file"] for request in _requests(log, "frontend.process") if request["inheritEnv"]]
    assert opened == ["open Nat\n", "open Int\n"]
    assert log.read_text().count('"stat"') == 3  # workers


async def test_a_certificate_of_pantograph_says_which_lean_it_was(fake_config: FakeConfig) -> None:
    config = fake_config(dialect="pantograph")
    for backend, version in ((config.backend, "unknown"), (_PantographOfKnownLean(config.backend), "4.26.0")):
        async with Certifier(attrs.evolve(config, backend=backend)) as certifier:
            result = await certifier.certify(Theorem(name="t", statement="p"), ["done"])
        assert isinstance(result, Certificate)
        assert result.lean_version == version


async def test_a_proof_that_outlasts_pantographs_deadline_costs_one_worker(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    theorem = Theorem(name="long", statement="p")
    config = fake_config(dialect="pantograph", log=tmp_path / "log")
    async with Certifier(config, deadline_s=2.0) as certifier:
        with pytest.raises(CommandRefused, match=r"not checked within 2 s \(deadline_s of the certifier\)"):
            await certifier.certify(theorem, ["-- certify hang", "done"])
        assert (tmp_path / "log").read_text().count("frontend.process") == 1


async def test_a_proof_that_costs_its_workers_is_named(fake_config: FakeConfig) -> None:
    config = fake_config(tactic_grace_s=0.1)
    async with Certifier(config, deadline_s=0.2) as certifier:
        with pytest.raises(WorkerLost, match=r"\(deadline_s of the certifier\) during proof\.certify 'my theorem'"):
            await certifier.certify(_THEOREM, ["-- certify hang", "done"])


async def test_it_keeps_the_contract_of_a_certifier(fake_config: FakeConfig) -> None:
    async with Certifier(fake_config()) as certifier:
        await check_certifier(certifier, _THEOREM, proof=["sound", "done"])


@pytest.mark.parametrize("loss", ["die", "hang", "noise"])
async def test_a_lost_worker_is_replaced(fake_config: FakeConfig, loss: str) -> None:
    async with Certifier(fake_config(), deadline_s=2.0) as certifier:
        assert isinstance(await certifier.certify(_THEOREM, [f"-- certify {loss} once", "done"]), Certificate)


async def test_a_proof_under_which_workers_keep_dying_is_neither_accepted_nor_rejected(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with Certifier(fake_config(log=log)) as certifier:
        with pytest.raises(WorkerLost) as caught:
            await certifier.certify(_THEOREM, ["-- certify die", "done"])
        assert isinstance(caught.value, WorkerDied)
        assert len(_requests(log, "proof.certify")) == 2  # a third worker would die of it, too
        assert isinstance(await certifier.certify(_THEOREM, ["done"]), Certificate)


@pytest.mark.parametrize(
    ("theorem", "tactic"),
    [
        (_THEOREM, "done --" + "-" * MAX_FILE_CHARACTERS),
        (attrs.evolve(_THEOREM, statement="p" * (MAX_TEXT_CHARACTERS + 1)), "done"),
        (attrs.evolve(_THEOREM, header="open Nat\n" * MAX_HEADER_CHARACTERS), "done"),
        (attrs.evolve(_THEOREM, context="def x := 1\n" * (MAX_CONTEXT_CHARACTERS // 10)), "done"),
        (Theorem(name="t", copy_from="a" * (MAX_TEXT_CHARACTERS + 1)), "done"),
    ],
    ids=["file", "statement", "header", "context", "name"],
)
async def test_what_is_too_long_is_rejected_without_a_worker(
    fake_config: FakeConfig, tmp_path: Path, theorem: Theorem, tactic: str
) -> None:
    log = tmp_path / "log"
    async with Certifier(fake_config(log=log)) as certifier:
        result = await certifier.certify(theorem, [tactic])
    assert isinstance(result, CertificationRejected)
    assert result.reason == "length"
    assert "too long" in result.message
    assert not log.exists()


async def test_a_start_that_fails_is_tried_again(fake_config: FakeConfig) -> None:
    async with Certifier(fake_config(fail_starts=2)) as certifier:
        assert isinstance(await certifier.certify(_THEOREM, ["done"]), Certificate)


async def test_without_any_worker_nothing_is_said_of_the_proof(fake_config: FakeConfig) -> None:
    async with Certifier(fake_config(fail_starts=99, complaint="no such module\n")) as certifier:
        with pytest.raises(WorkerStartError, match="no such module"):
            await certifier.certify(_THEOREM, ["done"])


async def test_a_start_that_can_only_fail_the_same_way_is_tried_once(fake_config: FakeConfig, tmp_path: Path) -> None:
    complaint = "uncaught exception: unknown module prefix 'Mathlib'\n"
    async with Certifier(fake_config(fail_starts=99, complaint=complaint)) as certifier:
        with pytest.raises(WorkerStartError, match="no module Mathlib"):
            await certifier.certify(_THEOREM, ["rfl"])
    assert (tmp_path / "marker").read_bytes() == b"."


async def test_no_worker_is_started_before_the_first_proof_and_it_is_replaced_in_time(
    fake_config: FakeConfig, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    async with Certifier(fake_config(log=log), max_certifications=2) as certifier:
        assert not log.exists()
        for _ in range(5):
            await certifier.certify(_THEOREM, ["done"])
    assert len(_requests(log, "stat")) == 3  # the greeting of each worker


async def test_a_certifier_outside_its_block_refuses_work(fake_config: FakeConfig) -> None:
    certifier = Certifier(fake_config())
    with pytest.raises(PoolClosed, match="async with"):
        await certifier.certify(_THEOREM, ["done"])


@pytest.mark.parametrize(
    ("tactics", "reason"),
    [
        (["done"], None),
        (["-- axiom propext", "done"], None),
        (["-- axiom sneaky", "done"], "axioms"),
        (["sorry", "done"], "sorry"),
        (["step"], "elaboration"),
    ],
)
async def test_pantograph_certifies_through_its_messages(
    fake_config: FakeConfig, tactics: list[str], reason: str | None
) -> None:
    async with Certifier(fake_config(dialect="pantograph")) as certifier:
        for _ in range(2):  # the second time it is known that there is no proof.certify
            result = await certifier.certify(_SCOPED, tactics)
            assert (result.reason if isinstance(result, CertificationRejected) else None) == reason
    if isinstance(result, Certificate):
        assert result.statement == "p"
        assert result.lean_version == "unknown"


_THEOREM_CERTIFICATE_AUDIT = Theorem(name="t", copy_from="Nat.add_comm")

_GOOD = CertifiedReply("p", "f00d", ("propext",), ("Nat.add_zero",), ("Nat.add_zero",), "4.28.0")


def test_a_sound_certificate_passes_and_so_does_a_rejection() -> None:
    rejected = CertifyRejectedReply("sorry", "it uses sorryAx")
    assert audit(_THEOREM_CERTIFICATE_AUDIT, _GOOD) is _GOOD
    assert audit(_THEOREM_CERTIFICATE_AUDIT, rejected) is rejected


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ({"axioms": ("propext", "sorryAx")}, "sorry"),
        ({"constants": ("sorryAx",)}, "sorry"),
        ({"trusted_constants": ("sorryAx",)}, "sorry"),
        ({"axioms": ("Lean.ofReduceBool",)}, "axioms"),
        ({"axioms": ("cheat",)}, "axioms"),
        ({"constants": ("Nat.add_comm",)}, "self_reference"),
        ({"trusted_constants": ("Nat.add_comm",)}, "self_reference"),
        ({"statement": " "}, "elaboration"),
        ({"fingerprint": ""}, "elaboration"),
    ],
)
def test_one_that_contradicts_itself_is_rejected(lie: dict[str, Any], reason: str) -> None:
    verdict = audit(_THEOREM_CERTIFICATE_AUDIT, attrs.evolve(_GOOD, **lie))
    assert isinstance(verdict, CertifyRejectedReply)
    assert verdict.reason == reason


def test_each_tactic_is_an_indented_block() -> None:
    theorem = Theorem(name="add zero", statement="∀ n : Nat, n + 0 = n", header="open Nat")
    text = assemble(theorem, ["intro n", "induction n with\n| zero => rfl\n| succ n ih =>\n  simp"])
    assert text == (
        "open Nat\n\n"
        "theorem leanebm_add_zero : ∀ n : Nat, n + 0 = n := by\n"
        "  intro n\n"
        "  induction n with\n"
        "  | zero => rfl\n"
        "  | succ n ih =>\n"
        "    simp\n"
    )


def test_binders_stand_before_the_colon_and_the_context_before_the_theorem() -> None:
    theorem = Theorem(
        name="t", statement="(n : Nat) : n = n", header="open Nat", context="def f := 1\n\nvariable (m : Nat)"
    )
    assert assemble(theorem, ["rfl"]) == (
        "open Nat\n\ndef f := 1\n\nvariable (m : Nat)\n\ntheorem leanebm_t (n : Nat) : n = n := by\n  rfl\n"
    )


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_what_ends_no_line_of_leans_is_left_alone(separator: str) -> None:
    tactic = f'exact f "a{separator}b"'
    assert f"\n  {tactic}\n" in assemble(Theorem(name="t", statement="p"), [tactic])


def test_goals_that_were_proved_apart_stand_behind_bullets() -> None:
    proof: Proof = ["intro p", ProofStep("constructor", children=(["rfl"], ["intro h", "exact h"]))]
    text = assemble(Theorem(name="t", statement="p"), proof)
    assert text == (
        "theorem leanebm_t : p := by\n  intro p\n  constructor\n  · rfl\n  · intro h\n    exact h\n"
    )  # fmt: skip
    blocks = [step if isinstance(step, str) else step.text for step in proof]
    assert assemble(Theorem(name="t", statement="p"), blocks) == text


def test_a_step_that_was_indented_is_put_in_line() -> None:
    theorem = Theorem(name="t", statement="p")
    assert assemble(theorem, ["    simp\n    rfl\n"]) == "theorem leanebm_t : p := by\n  simp\n  rfl\n"


def test_a_statement_of_several_lines_keeps_its_layout() -> None:
    theorem = Theorem(name="t", statement="∀ n,\n  p n")
    assert assemble(theorem, ["simp"]) == "theorem leanebm_t :\n    ∀ n,\n      p n := by\n  simp\n"


def test_a_comment_at_the_end_of_a_statement_does_not_swallow_the_proof() -> None:
    theorem = Theorem(name="t", statement="p -- easy")
    assert assemble(theorem, ["simp"]) == "theorem leanebm_t : p -- easy\n    := by\n  simp\n"


def test_a_library_theorem_is_stated_by_its_name() -> None:
    theorem = Theorem(name="Nat.add_comm", copy_from="Nat.add_comm")
    text = assemble(theorem, ["omega"], "∀ (n m : Nat),\n  n + m = m + n")
    assert text == (
        "-- Nat.add_comm : ∀ (n m : Nat),\n"
        "--   n + m = m + n\n"
        "theorem leanebm_Nat_add_comm : type_of% @Nat.add_comm := by\n"
        "  omega\n"
    )
    hidden = assemble(theorem, ["omega"], "p", ["attribute [-simp] Nat.add_comm", "attribute [-grind] Nat.comm"])
    assert hidden == (
        "-- Tactics are not to find the theorem itself.\n"
        "attribute [-simp] Nat.add_comm\n"
        "attribute [-grind] Nat.comm\n"
        "\n"
        "-- Nat.add_comm : p\n"
        "theorem leanebm_Nat_add_comm : type_of% @Nat.add_comm := by\n"
        "  omega\n"
    )


async def test_pantograph_is_not_asked_what_hides_a_theorem(fake_config: FakeConfig, tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with Certifier(fake_config(dialect="pantograph", log=log)) as certifier:
        result = await certifier.certify(Theorem(name="t", copy_from="Nat.add_comm"), ["done"])
    assert "attribute" not in result.source
    assert _requests(log, "env.apart") == []


def test_a_file_starts_with_its_imports() -> None:
    assert lean_file(("Init", "Std"), "theorem …\n") == "import Init\nimport Std\n\ntheorem …\n"


@given(name=st.text(min_size=1).filter(lambda name: bool(name.strip())))
def test_a_declaration_name_is_a_plain_identifier(name: str) -> None:
    assert re.fullmatch(r"leanebm_[A-Za-z0-9_]+", declaration_name(Theorem(name=name, statement="p")))


# --- trees, with the real Lean ---


@pytest.fixture(scope="session")
async def real_certifier(embedded_lean: EmbeddedLean) -> AsyncIterator[Certifier]:
    assert embedded_lean.node.is_file()
    async with Certifier(LeanPoolConfig.embedded()) as certifier:
        yield certifier


_AND = Theorem(name="and", statement="∀ p q : Prop, p → q → (q ∧ p) ∧ (p ∨ q)")
_EXISTS = Theorem(name="exists", statement="∃ n : Nat, n = 3 ∧ n > 0")


@pytest.mark.lean
@pytest.mark.parametrize(
    ("theorem", "proof"),
    [
        (
            _AND,
            [
                "intro p q hp hq",
                ProofStep(
                    "constructor",
                    children=(
                        [ProofStep("constructor", children=(["exact hq"], ["exact hp"]))],
                        ["  have h : p := by\n    exact hp", "exact Or.inl h"],
                    ),
                ),
            ],
        ),
        # The second goal first, and the last goal's proof without a bullet.
        (_AND, ["intro p q hp hq", "constructor", ProofStep("exact Or.inl hp", goal=1), "exact ⟨hq, hp⟩"]),
        (_AND, ["intro p q hp hq", ProofStep("constructor", children=(["exact ⟨hq, hp⟩"],)), "exact Or.inr hq"]),
        # What is to be given is settled by the proof about it.
        (_EXISTS, ["refine ⟨?n, ?_⟩", ProofStep("constructor", goal=1, children=(["rfl"], ["decide"]))]),
        (_EXISTS, [ProofStep("refine ⟨?n, ?_, ?_⟩", children=(["exact 3"], ["rfl"], ["decide"]))]),
    ],
)
async def test_trees_are_certified(real_certifier: Certifier, theorem: Theorem, proof: Proof) -> None:
    result = await real_certifier.certify(theorem, proof)
    assert isinstance(result, Certificate), result
    assert await real_certifier.certify(theorem, result.tactics) == result


@pytest.mark.lean
async def test_goals_that_a_search_proved_apart_last_one_first_make_a_certified_tree(
    lean_pool: LeanPool, real_certifier: Certifier
) -> None:
    """What a search over AND and OR nodes does with a state of several goals."""
    candidates = ["exact hq", "exact Or.inl hp", "constructor", "exact hp", "exact Nat.zero_le n"]
    theorem = Theorem(name="t", statement="∀ (p q : Prop) (n : Nat), p → q → (q ∧ p) ∧ (p ∨ q) ∧ 0 ≤ n")
    opening = ["intro p q n hp hq", "refine ⟨?_, ?_, ?_⟩"]
    async with lean_pool.open(theorem) as session:

        async def proof_of(state: ProofState, goal: int) -> list[str]:
            for tactic in candidates:
                outcome = await session.run_tactic(state, tactic, goal=goal)
                if isinstance(outcome, ProofFinished) or (
                    isinstance(outcome, ProofAdvanced) and len(outcome.state.goals) < len(state.goals)
                ):
                    return [tactic]
                if isinstance(outcome, ProofAdvanced) and len(outcome.state.goals) > len(state.goals):
                    parts = len(outcome.state.goals) - len(state.goals) + 1
                    proofs = [await proof_of(outcome.state, part) for part in reversed(range(parts))]
                    return [ProofStep(tactic, children=tuple(map(tuple, reversed(proofs)))).text]
            pytest.fail(f"no candidate proves goal {goal} of {state}")

        state = session.root
        for tactic in opening:
            outcome = await session.run_tactic(state, tactic)
            assert isinstance(outcome, ProofAdvanced)
            state = outcome.state
        assert len(set(state.coupling)) == len(state.goals) == 3
        children = [await proof_of(state, goal) for goal in (2, 1, 0)]
    tree = ProofStep(opening[1], children=tuple(map(tuple, reversed(children))))
    result = await real_certifier.certify(theorem, [opening[0], tree])
    assert isinstance(result, Certificate), result
    assert "  · constructor\n    · exact hq\n    · exact hp\n  · exact Or.inl hp\n" in result.source


_INJECTED = (
    "rfl\n\naxiom cheat : False",
    "rfl\nend\ntheorem more : 1 = 1 := rfl",
    "rfl\n#eval 1",
    "rfl)",
    "rfl -/ ",
    "skip\n· skip",
)


@pytest.mark.lean
@pytest.mark.parametrize("text", _INJECTED)
async def test_a_text_that_leaves_its_bullet_proves_nothing(real_certifier: Certifier, text: str) -> None:
    theorem = Theorem(name="t", statement="1 = 1 ∧ 2 = 2")
    for children in (([text], ["rfl"]), (["rfl"], [text])):
        result = await real_certifier.certify(theorem, [ProofStep("constructor", children=children)])
        assert isinstance(result, CertificationRejected), result


@pytest.mark.lean
@pytest.mark.parametrize(
    "proof",
    [
        [ProofStep("constructor", children=(["rfl"],))],
        [ProofStep("constructor", children=(["skip"], ["rfl"])), "rfl"],
        [ProofStep("constructor", children=(["all_goals rfl"],))],
        [ProofStep("constructor", children=(["rfl"], ["rfl"], ["rfl"]))],
        [ProofStep("constructor", children=(["sorry"], ["rfl"]))],
    ],
    ids=["one is missing", "one is left open", "one reaches out", "one too many", "sorry"],
)
async def test_a_tree_that_does_not_close_every_goal_is_rejected(real_certifier: Certifier, proof: Proof) -> None:
    result = await real_certifier.certify(Theorem(name="t", statement="1 = 1 ∧ 2 = 2"), proof)
    assert isinstance(result, CertificationRejected), result
