from __future__ import annotations

import pytest

from leanebm.core import Theorem
from leanebm.lean._frontend_certificate import audited, objection, verdict
from leanebm.lean._replies import CertifiedReply, CertifyRejectedReply, UnitMessages

_OWN = Theorem(name="t", statement="∀ n, n = n")
_COPY = Theorem(name="t", copy_from="Nat.add_comm")
_NAME = "leanebm_t"
_AXIOMS = ("information", f"'{_NAME}' depends on axioms: [propext,\n Classical.choice]")

_SOURCE = f"universe u\n\ntheorem {_NAME} : ∀ n, n = n := by\n  simp\n"
_THEOREM_START = 12


def _judge(
    *messages: tuple[str, str], starts: tuple[int, ...] = (0, _THEOREM_START)
) -> CertifiedReply | CertifyRejectedReply:
    said = UnitMessages(messages, starts)
    return verdict(said, _NAME, source=_SOURCE, statement="T", lean_version="")


def test_the_audit_restates_the_claim_and_asks_for_axioms() -> None:
    text = audited("theorem leanebm_t : ∀ n, n = n := by\n  simp\n", _OWN, _NAME)
    assert "example :\n  ∀ n, n = n := @leanebm_t" in text
    assert "#print axioms leanebm_t" in text
    assert "pp.all" not in text
    printed = audited("…", _COPY, _NAME, [f"{_NAME}._proof_1"])
    assert printed.endswith(f"#print «{_NAME}».«_proof_1»\n\n")
    assert printed.count("pp.all true in") == 2


def test_a_clean_bill_is_a_certificate() -> None:
    reply = _judge(_AXIOMS)
    assert isinstance(reply, CertifiedReply)
    assert reply.axioms == ("Classical.choice", "propext")
    assert reply.lean_version == "unknown"


@pytest.mark.parametrize(
    "context",
    [
        "def f (n : Nat) : Nat :=\n  n + 1\n\n/-- A lemma. -/\ntheorem f_pos (n : Nat) : 0 < f n := by\n  simp [f]\n",
        "inductive T where\n  | a\n  | b\n\nprivate noncomputable def T.f : T → Nat\n  | .a => 1\n  | .b => 2",
        "structure S (α : Type u) where\n  x : α\ninstance : Inhabited (S Nat) := ⟨⟨1⟩⟩\nabbrev N := Nat",
    ],
)
def test_a_context_may_declare(context: str) -> None:
    theorem = Theorem(
        name="t", statement="∀ n, n = n", header="universe u\nset_option maxHeartbeats 0", context=context
    )
    assert objection(theorem, f"{theorem.preamble}\n\ntheorem {_NAME} : ∀ n, n = n := by\n  simp\n", _NAME) is None


@pytest.mark.parametrize(
    "context",
    [
        "axiom f : False",
        "def f := 1 axiom g : False",
        "def f := 1\n  axiom g : False",
        'notation "x" => 1',
        'local macro "x" : term => `(1)',
        "#eval 1",
        "def f := 1 #eval f",
        "@[simp] theorem f : 1 = 1 := rfl",
        "variable (n : Nat)",
        "open Nat in\ndef f := 1",
        "namespace A\ndef f := 1\nend A",
        "set_option maxRecDepth 9",
        "run_cmd pure ()",
        "initialize pure ()",
        "def f : 1 = 1 := by run_tac pure ()",
        "theorem f : 1 = 1 := by simp (config := g 1)",
        "theorem f : 1 = 1 := by simp (config /- ) -/ := g 1)",
        "simproc f (1) := g",
        "whatever f := 1",
    ],
)
def test_a_context_may_do_nothing_else(context: str) -> None:
    theorem = Theorem(name="t", statement="∀ n, n = n", context=context)
    reply = objection(theorem, f"{context}\n\ntheorem {_NAME} : ∀ n, n = n := by\n  simp\n", _NAME)
    assert reply is not None
    assert reply.reason == "forbidden"


def test_the_text_holds_the_context_of_its_theorem_and_its_words() -> None:
    theorem = Theorem(name="t", statement="f = f", context="def f := 1")
    rest = f"theorem {_NAME} : f = f := by\n  rfl\n"
    assert objection(theorem, f"def f :=\n  1\n-- a comment\n{rest}", _NAME) is None
    for text in (f"def f := 2\n{rest}", rest, f"def f := 1\ntheorem {_NAME} : 1 = f := by\n  rfl\n"):
        assert objection(theorem, text, _NAME) is not None, text


def test_what_lean_read_as_another_command_in_front_is_rejected() -> None:
    front = "universe u\n\n/- x -/ def f := 1\nwhatever\n"
    source = f"{front}{_SOURCE.removeprefix('universe u')}"
    starts = (0, len("universe u\n\n"), source.index("theorem"))
    for more, is_fine in (((), True), ((front.index("whatever"),), False)):
        said = UnitMessages((_AXIOMS,), tuple(sorted((*starts, *more))))
        judged = verdict(said, _NAME, source=source, statement="T", lean_version="")
        assert isinstance(judged, CertifiedReply) == is_fine


def test_no_axioms_at_all_is_fine() -> None:
    reply = _judge(("information", f"'{_NAME}' does not depend on any axioms"))
    assert isinstance(reply, CertifiedReply)
    assert reply.axioms == ()


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([("error", "unsolved goals"), _AXIOMS], "elaboration"),
        ([("warning", "declaration uses 'sorry'"), _AXIOMS], "sorry"),
        ([("warning", "declaration uses `sorry`"), _AXIOMS], "sorry"),
        ([], "elaboration"),
        ([("information", "'another' does not depend on any axioms")], "elaboration"),
        ([("information", f"'{_NAME}' depends on axioms: [sorryAx]")], "axioms"),
        ([("information", f"'{_NAME}' depends on axioms: [propext, Lean.ofReduceBool]")], "axioms"),
    ],
)
def test_anything_else_is_rejected(messages: list[tuple[str, str]], reason: str) -> None:
    reply = _judge(*messages)
    assert isinstance(reply, CertifyRejectedReply)
    assert reply.reason == reason


def test_a_proof_that_goes_on_to_another_command_is_rejected() -> None:
    after_the_text = len(_SOURCE.encode()) + 1
    assert isinstance(_judge(_AXIOMS, starts=(0, _THEOREM_START, after_the_text)), CertifiedReply)
    reply = _judge(_AXIOMS, starts=(0, _THEOREM_START, _THEOREM_START + 20))
    assert reply == CertifyRejectedReply("forbidden", "the proof goes on to another command")


@pytest.mark.parametrize(
    "proof",
    [
        "run_tac pure ()",
        "native_decide",
        "bv_decide",
        "bv_decide?",
        "decide +native",
        'simp (config := dbgTrace "" fun _ => {})',
        'simp (maxSteps := (unsafeIO (IO.println "")).toOption.getD 1)',
        "set_option debug.skipKernelTC true in trivial",
        "exact Lean.ofReduceBool _ _ rfl",
        "let rec @[simp] f := 0",
        "exact (_root_.IO.println 1) trivial",
        'simp (maxSteps := match (println! "{}") (cast lcProof ()) with | _ => 3)',
        "simp (maxSteps := f 3)",
        "simp (maxSteps /- () -/ := f 3)",
        "simp ( -- ()\n  maxSteps := f 3)",
        "decide (config := ⟨false, true, true, false⟩)",
        "decide (config := .mk false true true false)",
        "simp (config := { maxSteps := f 3 })",
        "simp (discharger := simp (maxSteps := f 3))",
        "simp (config := { a :=" + " bbbb :=" * 80 + " f 3 })",  # tried in every division, it would take years
    ],
)
def test_text_that_could_run_code_is_not_processed(proof: str) -> None:
    rejected = objection(_OWN, f"theorem {_NAME} : ∀ n, n = n := by\n  {proof}\n", _NAME)
    assert rejected is not None
    assert rejected.reason == "forbidden"


@pytest.mark.parametrize(
    "proof",
    [
        "have h := f (n := 3)\n  exact h",
        "-- by simp\n  simp (maxSteps)",
        'simp (config := { decide := true, maxSteps := 99 })\n  trace ""',
        "exact h.rec (motive := fun n => n = n) rfl",
        "exact (by have h := f 3; exact h)",
        "intro (x : Nat)\n  simp (discharger := assumption)",
    ],
)
def test_text_that_runs_nothing_is_processed(proof: str) -> None:
    assert objection(_OWN, f"theorem {_NAME} : ∀ n, n = n := by\n  {proof}\n", _NAME) is None


@pytest.mark.parametrize("before", ["axiom cheat : False\n", "-- x\nlocal macro_rules | `(p) => `(True)\n"])
def test_nothing_but_what_was_asked_for_may_stand_before_the_theorem(before: str) -> None:
    """A record that names no header does not vouch for what the file holds there."""
    rejected = objection(_OWN, f"{before}theorem {_NAME} : ∀ n, n = n := by\n  trivial\n", _NAME)
    assert rejected is not None
    assert rejected.reason == "forbidden"


def test_what_a_tactic_prints_does_not_pass_for_the_audit() -> None:
    said = ("information", f"'{_NAME}' does not depend on any axioms")
    reply = _judge(said, ("information", f"'{_NAME}' depends on axioms: [cheat]"))
    assert isinstance(reply, CertifyRejectedReply)
    assert reply.reason == "axioms"


_BAD_HEADERS = (
    "open Nat in axiom cheat : False",
    "open Nat run_cmd cheat",
    "open Nat deriving instance BEq for Cheat",
    "open Nat hiding add",
    "open Nat -- axiom",
    "open",
    "axiom cheat : False",
    'universe u\nmacro "#print" : command => `(#eval 1)',
    "universe u axiom cheat : False",
    "universe u local macro_rules | `(p) => `(True)",
    "universe\naxiom cheat : False",
)


def test_a_header_may_only_declare_universes_and_open_namespaces_here() -> None:
    header = "universe u\n\nuniverse v w\nopen Nat Lean.Meta\nopen scoped Finset"
    fine = Theorem(name="t", statement="p", header=header)
    assert objection(fine, f"{header}\n\ntheorem t : p := by\n  simp [native_le, h.unsafeness, IOE]\n", "t") is None
    for header in _BAD_HEADERS:
        rejected = objection(Theorem(name="t", statement="p", header=header), "theorem t : p := q", "t")
        assert rejected is not None
        assert rejected.reason == "forbidden"


@pytest.mark.parametrize("front", ["", "open Nat\n", "open Int\nopen Nat\n", "open Nat\nopen Int\nopen Bool\n"])
def test_a_text_opens_what_the_theorem_says_and_nothing_else(front: str) -> None:
    theorem = Theorem(name="t", statement="p", header="open Nat\nopen Int")
    rejected = objection(theorem, f"{front}theorem t : p := by\n  simp\n", "t")
    assert rejected is not None
    assert "other namespaces" in rejected.message


def test_a_text_may_hide_the_library_theorem_and_nothing_more() -> None:
    hiding = "-- why\nattribute [-simp, -grind] Nat.add_comm\n\n"
    of_copy = f"theorem {_NAME} : type_of% @Nat.add_comm := by\n  omega\n"
    assert objection(_COPY, hiding + of_copy, _NAME) is None
    for other in ("attribute [simp] Nat.add_comm", "attribute [-simp] Nat.add_comm axiom", "attribute [-instance] i"):
        assert objection(_COPY, f"{other}\n\n{of_copy}", _NAME) is not None
    assert objection(_OWN, f"{hiding}theorem {_NAME} : ∀ n, n = n := by\n  simp\n", _NAME) is not None
