"""Pantograph's dialect, spoken by a double that keeps to what its sources do, over the real Lean (``Double.lean``)."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from pantograph_double import VERSIONS, compile_double, write_pantograph
from scripted_toolchain import write_toolchain

from leanebm.core import Candidate, Certificate, CertificationRejected, SearchResult, Theorem
from leanebm.lean import (
    Certifier,
    EmbeddedBackend,
    LeanBackend,
    LeanPool,
    LeanPoolConfig,
    NativeBackend,
    PantographBackend,
)
from leanebm.lean.embedded import EmbeddedLean
from leanebm.lean.embedded._prepared_folder import compile_module
from leanebm.lean.embedded.embedded_lean import REPL_SOURCES
from leanebm.search import BestFirstSearch, SearchBudget, SearchConfig
from leanebm.search.scorers import BreadthFirst
from leanebm.testing import ScriptedPolicy

pytestmark = pytest.mark.lean

MakePantograph = Callable[[str], Path]


@pytest.fixture(scope="module")
def pantograph(embedded_lean: EmbeddedLean, tmp_path_factory: pytest.TempPathFactory) -> MakePantograph:
    """Makes the program of a version, which finds the modules of ``library``, too."""
    compiled = compile_double(embedded_lean, tmp_path_factory.mktemp("double"))
    for module in ("Before", "Library"):
        source = Path(__file__).parent / "library" / f"{module}.lean"
        compile_module(embedded_lean.node, embedded_lean.runtime, source, compiled / f"{module}.olean", REPL_SOURCES)

    def make(version: str) -> Path:
        return write_pantograph(embedded_lean, compiled, tmp_path_factory.mktemp("Pantograph"), version)

    return make


# --- transcripts: what its own tests and sources have it answer; names of goals are its own affair ---

_OFF = dict.fromkeys(("readHeader", "inheritEnv", "newConstants", "sorrys", "typeErrorsAsGoals"), False)
_OPEN = {"file": "open Nat", **_OFF, "inheritEnv": True}
_NOT_OPEN = {"file": "", **_OFF, "inheritEnv": True}
_OR = {"expr": "∀ (p q: Prop), p ∨ q → q ∨ p"}
_SUM = {"expr": "∀ n : Nat, n + 1 = succ n"}
_SLOW = """set_option maxHeartbeats 0 in
set_option maxRecDepth 10000 in
theorem slow : ∀ a b c : Fin 40, a + b + c = c + b + a := by decide"""  # minutes, were it not for the limit

Line = tuple[str, dict[str, Any], dict[str, Any]]

_DIALOGUES: dict[str, list[Line]] = {
    "a proof by cases": [
        ("goal.start", _OR, {"stateId": 0}),
        ("goal.tactic", {"stateId": 0, "tactic": "intro p q h"}, {"nextStateId": 1, "hasSorry": False}),
        (
            "goal.tactic",
            {"stateId": 1, "tactic": "cases h"},
            {"nextStateId": 2, "goals": [{"userName": "inl", "fragment": "tactic"}, {"userName": "inr"}]},
        ),
        ("goal.tactic", {"stateId": 2, "tactic": "apply Or.inr"}, {"goals": [{"userName": "inl.h"}, {}]}),
        ("goal.tactic", {"stateId": 0, "tactic": "sorry"}, {"nextStateId": 4, "goals": [], "hasSorry": True}),
        ("goal.tactic", {"stateId": 9, "tactic": "rfl"}, {"error": "index"}),
    ],
    "one scope for all commands": [
        ("frontend.process", _OPEN, {"units": [{"boundary": [0, 8], "messages": []}]}),
        ("goal.start", _SUM, {"stateId": 0}),
        ("expr.echo", _SUM, {"type": {"pp": "Prop"}}),
        ("frontend.process", _NOT_OPEN, {"units": []}),
        ("expr.echo", _SUM, {"error": "elab"}),
        ("goal.start", _SUM, {"error": "elab"}),
        ("goal.tactic", {"stateId": 0, "tactic": "exact fun n => succ_eq_add_one n"}, {"hasSorry": False}),
    ],
    "what is declared stays, and a header of imports begins anew": [
        ("frontend.process", {"file": "def two := 2", **_OFF, "inheritEnv": True}, {}),
        ("goal.start", {"expr": "two = 2"}, {"stateId": 0}),
        ("frontend.process", _NOT_OPEN, {}),
        ("goal.start", {"expr": "two = 2"}, {"stateId": 1}),
        ("frontend.process", {"file": "import Init\n", **_OFF, "inheritEnv": True, "readHeader": True}, {"units": []}),
        ("goal.start", {"expr": "two = 2"}, {"error": "elab"}),
        ("goal.tactic", {"stateId": 1, "tactic": "rfl"}, {"goals": []}),
    ],
    "one time limit for all commands": [
        ("options.set", {"timeout": 300}, {}),
        ("frontend.process", {"file": _SLOW, **_OFF}, {"error": "io"}),
        ("options.set", {"timeout": 0}, {}),
        ("stat", {}, {"nGoals": 0}),
    ],
    "flags have no defaults, and what is not its own is unknown": [
        (
            "frontend.process",
            {"file": "", "inheritEnv": False, "newConstants": False},
            {"desc": "Unable to parse json: Pantograph.Protocol.FrontendProcess.readHeader: Bool expected"},
        ),
        (
            "goal.start",
            {**_OR, "header": "open Nonexistent", "goals": True},
            {"stateId": 0, "goals": None, "key": None},
        ),
        ("proof.certify", {}, {"error": "command", "desc": "Unknown command proof.certify"}),
        ("env.describe", {}, {"imports": ["Init"], "leanVersion": None}),
    ],
}


def _agrees(said: Any, wanted: Any) -> bool:
    """Whether ``said`` holds what is ``wanted``; ``None`` means not there."""
    if isinstance(wanted, dict):
        return all(key not in said if value is None else _agrees(said[key], value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(said) == len(wanted) and all(map(_agrees, said, wanted))
    return bool(said == wanted)


@pytest.fixture
def ask(pantograph: MakePantograph, request: pytest.FixtureRequest) -> Iterator[Callable[[str, dict[str, Any]], Any]]:
    program = pantograph(getattr(request, "param", VERSIONS[-1]))
    process = subprocess.Popen(
        [program, "Init"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready.\n"

    def ask(command: str, payload: dict[str, Any]) -> Any:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"cmd": command, "payload": payload, "nonce": "n"}).encode() + b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=60) == 0


def test_the_double_answers_as_its_model_does(ask: Callable[[str, dict[str, Any]], Any]) -> None:
    for name, dialogue in _DIALOGUES.items():
        ask("reset", {})
        for command, payload, wanted in dialogue:
            said = ask(command, payload)
            assert _agrees(said, wanted), (name, command, payload, said)
            assert "nonce" not in said


@pytest.mark.parametrize("ask", [VERSIONS[0]], indirect=True)
def test_an_older_one_wants_more_flags_and_one_tactic_at_a_time(ask: Callable[[str, dict[str, Any]], Any]) -> None:
    flags = dict.fromkeys(("readHeader", "inheritEnv", "newConstants"), False)
    assert "FrontendProcess.sorrys" in ask("frontend.process", {"file": "", **flags})["desc"]
    ask("goal.start", _OR)
    assert "parseError" in ask("goal.tactic", {"stateId": 0, "tactic": "intro p\nintro q"})


# --- our client over it ---

# None makes states that differ in the names of cases only: one, by our REPL's key, and several by their text.
_AND = Theorem(name="t", statement="∀ p q : Prop, p ∧ q → q ∧ p")
_IN_CONTEXT = Theorem(
    name="t",
    statement="∀ n : Nat, twice n = 2 * n",
    header="set_option maxHeartbeats 400000",
    context="/-- Two of it. -/\ndef twice (n : Nat) := n + n\n",
)
_COPY = Theorem(name="t", copy_from="Nat.le_of_lt_succ")
_OPENED = Theorem(name="t", statement="∀ n : Nat, n + 1 = succ n", header="open Nat")


_SEARCHED: dict[Theorem, tuple[str, ...]] = {
    _AND: ("intro p q h", "constructor", "exact h.2", "exact h.1", "skip", "nonsense", "assumption", "omega"),
    _OPENED: ("intro n", "cases n", "skip", "exact add_one n", "nonsense", "exact unknown n"),
    _IN_CONTEXT: ("intro n", "unfold twice", "show n + n = 2 * n", "nonsense", "exact twice n", "omega"),
}


async def _trees(backend: LeanBackend) -> list[list[tuple[Any, ...]]]:
    """What comes of searching each theorem, one after the other, on the same workers."""
    config = LeanPoolConfig(backend=backend, num_workers=1)
    trees = []
    async with LeanPool(config) as pool, Certifier(config) as certifier:
        for theorem, tactics in _SEARCHED.items():
            candidates = [Candidate(tactic, -0.1 * i) for i, tactic in enumerate(tactics, 1)]
            search = BestFirstSearch(
                policy=ScriptedPolicy(script={}, default=candidates),
                scorer=BreadthFirst(),
                environment=pool,
                certifier=certifier,
                config=SearchConfig(budget=SearchBudget(max_expansions=12), candidates_per_state=len(tactics)),
            )
            trees.append(_shape(await search.run(theorem)))
    return trees


def _shape(result: SearchResult) -> list[tuple[Any, ...]]:
    """What a tree says of Lean: each node's place, text and status, and whether and how the theorem was proved."""
    nodes = [
        (node.index, node.parent and node.parent.index, node.tactic, node.state.text, node.status)
        for node in result.nodes
    ]
    certificate = result.certificate
    return [*nodes, (result.outcome, None if certificate is None else (certificate.tactics, certificate.axioms))]


@pytest.mark.timeout(900)  # eight workers start, one after the other, on a machine that may be busy
async def test_one_search_makes_one_tree_over_every_backend(
    embedded_lean: EmbeddedLean, pantograph: MakePantograph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_toolchain(tmp_path, embedded_lean.worker_command(()))
    trees = {"embedded": await _trees(EmbeddedBackend())}
    for version in VERSIONS:
        trees[version] = await _trees(PantographBackend(binary=pantograph(version)))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LEANEBM_CACHE_DIR", str(tmp_path / "cache"))
    trees["native"] = await _trees(NativeBackend())
    for tree in trees["embedded"]:
        assert len(tree) > 4
        assert tree[-1][0] == "proved"
    for name, others in trees.items():
        assert others == trees["embedded"], name


async def test_it_certifies_what_is_proved_and_nothing_else(pantograph: MakePantograph) -> None:
    async with Certifier(LeanPoolConfig(backend=PantographBackend(binary=pantograph(VERSIONS[-1])))) as certifier:
        for theorem, proof, reason in (
            (_IN_CONTEXT, "intro n\nunfold twice\nomega", ""),
            (_AND, "intro p q h\nexact ⟨h.2, h.1⟩", ""),
            (_OPENED, "intro n\nexact (succ_eq_add_one n).symm", ""),
            (Theorem(name="t", statement="∀ p : Prop, p ∨ ¬p"), "intro p\nexact Classical.em p", ""),
            (_AND, "sorry", "sorry"),
            (_IN_CONTEXT, "sorry", "sorry"),
            (attrs.evolve(_IN_CONTEXT, context="theorem twice : 1 = 2 := sorry"), "rfl", "elaboration"),
            (_COPY, "exact fun {m n} h => Nat.le_of_lt_succ h", "self_reference"),
            (_COPY, "exact fun {m n} h => Nat.lt_succ_iff.mp h", "self_reference"),
            (Theorem(name="t", copy_from="Fin.le_total"), "intro n a b\nexact Nat.le_total a b", ""),
            (_AND, "as_aux_lemma => sorry", "sorry"),
            (_AND, "exact fun p q h => h", "elaboration"),
            (Theorem(name="t", statement="True"), "exact Lean.trustCompiler", "axioms"),
            (Theorem(name="t", statement="1 = 2"), "run_tac Lean.Elab.Tactic.setGoals []", "forbidden"),
        ):
            result = await certifier.certify(theorem, [proof])
            if reason:
                assert isinstance(result, CertificationRejected), proof
                assert result.reason == reason, result.message
            else:
                assert isinstance(result, Certificate), result.message
                assert result.lean_version == "4.28.0"


_BY_INDUCTION = """intro n
induction n with
| zero => rfl
| succ n ih => rw [twice_succ, ih]; omega"""


async def test_a_library_proof_may_use_what_does_not_rest_on_the_theorem(pantograph: MakePantograph) -> None:
    backend = PantographBackend(binary=pantograph(VERSIONS[-1]))
    async with Certifier(LeanPoolConfig(backend=backend, imports=("Library",))) as certifier:
        for proof, objection in (
            ("intro n\nunfold twice\nomega", ""),
            (_BY_INDUCTION, ""),
            ("intro n\nhave h := alone n\nomega", ""),
            ("intro n\nexact by as_aux_lemma => exact (by have h := alone n; omega)", ""),
            ("exact twice_eq", "the theorem itself"),
            ("intro n\nsimp", "the theorem itself"),
            ("intro n\nexact by as_aux_lemma => exact twice_eq n", "the theorem itself"),
            ("intro n\nhave h := rests_on_it n\nomega", "uses rests_on_it, which rests on twice_eq"),
            ("intro n\nhave h := (rests_on_it_deep_down n).1\nomega", "which rests on twice_eq"),
            ("intro n\nhave h := @by_what_simp_made_of_it\nunfold twice\nomega", "which rests on twice_eq"),
            ("intro n\nhave h := by_a_private_one n\nomega", "does not print whole"),
            ("exact fun n => (turned_round n).symm", "turned_round, which says the same"),
            ("exact Doubles.doubled", "which says the same"),
            ("exact match (inferInstance : Doubles twice) with | ⟨h⟩ => h", "instDoublesTwice, which says the same"),
        ):
            result = await certifier.certify(Theorem(name="t", copy_from="twice_eq"), [proof])
            if objection:
                assert isinstance(result, CertificationRejected), proof
                assert result.reason == "self_reference", result.message
                assert objection in result.message, proof
            else:
                assert isinstance(result, Certificate), (proof, result.message)
