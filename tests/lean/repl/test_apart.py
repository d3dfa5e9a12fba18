"""A library theorem is proved without itself: out of reach in its own proof, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.lean


def _start(repl: Any, name: str, *tactics: str, apart: bool = True) -> int:
    """The state after some tactics that must all succeed."""
    state = int(repl("goal.start", copyFrom=name, apart=apart)["stateId"])
    for tactic in tactics:
        reply = repl.tactic(state, tactic)
        assert "nextStateId" in reply, reply
        state = reply["nextStateId"]
    return state


def _failure(reply: dict[str, Any]) -> str:
    assert "nextStateId" not in reply, reply
    return "\n".join(message["data"] for message in reply["messages"])


@pytest.mark.parametrize(
    ("name", "intro", "tactic"),
    [
        ("List.map_map", "intros", "simp"),
        ("List.map_cons", "intros", "simp"),
        ("Option.bind_assoc", "intros", "grind"),
        ("Prod.ext", "intros", "ext"),
    ],
)
def test_tactics_find_a_theorem_in_every_proof_but_its_own(repl: Any, name: str, intro: str, tactic: str) -> None:
    before = repl.tactic(_start(repl, name, intro, apart=False), tactic)
    assert "nextStateId" in before
    apart = repl.tactic(_start(repl, name, intro), tactic)
    assert "may not use" not in _failure(apart), "the tactic found it"
    # The environment of one proof is no other proof's, in the same worker.
    assert repl.tactic(_start(repl, name, intro, apart=False), tactic)["key"] == before["key"]
    assert repl.tactic(_start(repl, "Nat.add_comm"), "intros")["goals"]
    assert repl.tactic(repl.start("∀ l : List Nat, (l.map id).map id = l.map (id ∘ id)"), "intros; simp")["goals"] == []


@pytest.mark.parametrize(
    ("name", "tactic", "used"),
    [
        ("Nat.add_comm", "exact Nat.add_comm", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "exact @_root_.Nat.add_comm", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "intro a b; rw [Nat.add_comm]", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "intro a b; simp [Nat.add_comm]", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "have h := @Nat.add_comm", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "as_aux_lemma => exact Nat.add_comm", "Nat.add_comm is the theorem"),
        ("Nat.add_comm", "exact?", "Nat.add_comm is the theorem"),
        ("Nat.not_le_of_gt", "exact Nat.not_le_of_lt", "Nat.not_le_of_lt says the same as Nat.not_le_of_gt"),
        ("Nat.le_total", "exact Nat.le_or_ge", "Nat.le_or_ge says the same"),
        (
            "Nat.lt_irrefl",
            "exact fun n => of_eq_false (Nat.lt_irrefl._simp_1 n)",
            "Nat.lt_irrefl._simp_1 says",
        ),
        ("Nat.le_total", "exact Std.Total.total", "says the same as Nat.le_total"),
        ("Nat.add_comm", "intro a b; ac_rfl", "says the same as Nat.add_comm"),
        ("Bool.xor_assoc", "intros; simp", "says the same as Bool.xor_assoc"),
    ],
)
def test_a_step_that_uses_the_theorem_fails_and_says_by_what(repl: Any, name: str, tactic: str, used: str) -> None:
    assert used in _failure(repl.tactic(_start(repl, name), tactic))
    assert "nextStateId" in repl.tactic(_start(repl, name, apart=False), tactic)


def test_a_failed_step_leaves_nothing_behind(repl: Any) -> None:
    state = _start(repl, "Nat.le_total", "intro a b")
    shown = repl("goal.print", stateId=state, goals=True)
    assert _failure(repl.tactic(state, "exact Nat.le_total a b"))
    assert _failure(repl.tactic(state, "exact Std.Total.total a b"))
    assert repl("goal.print", stateId=state, goals=True) == shown
    assert repl.tactic(state, "omega")["goals"] == []


def test_the_rest_of_the_library_stays_in_reach(repl: Any) -> None:
    assert repl.tactic(_start(repl, "Nat.add_comm", "intro a b"), "rw [Nat.add_comm]; done")["messages"]
    assert repl.tactic(_start(repl, "Nat.add_left_comm", "intro a b c"), "ac_rfl")["goals"] == []
    assert repl.tactic(_start(repl, "Nat.add_comm", "intro a b"), "omega")["goals"] == []
    assert repl.tactic(_start(repl, "Nat.lt_irrefl", "intro n"), "omega")["goals"] == []


def test_what_hides_a_theorem_can_be_written_down(repl: Any) -> None:
    assert repl("env.apart", name="List.append_nil")["commands"] == ["attribute [-simp, -grind] List.append_nil"]
    assert repl("env.apart", name="Prod.ext")["commands"] == ["attribute [-ext] Prod.ext"]
    assert repl("env.apart", name="Nat.add_comm")["commands"] == []
    assert set(repl("env.apart", name="Nat.le_total")["names"]) >= {"Nat.le_total", "Nat.le_or_ge", "Nat.le_or_le"}
    assert repl("env.apart", name="Nat.nowhere")["error"] == "index"


def test_equations_of_a_definition_are_twins_of_what_states_them(repl: Any) -> None:
    assert repl("env.apart", name="List.map_cons")["names"] == ["List.map.eq_2", "List.map_cons"]
    assert repl("env.apart", name="List.map_map")["names"] == ["List.map_map"]
    used = _failure(repl.tactic(_start(repl, "List.map_cons", "intros"), "apply List.map.eq_2"))
    assert "List.map.eq_2 says the same as List.map_cons" in used
    assert repl.tactic(_start(repl, "List.map_cons", "intros"), "rfl")["goals"] == []


def _certify(repl: Any, front: str, proof: str, name: str) -> dict[str, Any]:
    source = f"{front}\ntheorem claim : type_of% @{name} := by\n  {proof}\n"
    reply: dict[str, Any] = repl("proof.certify", source=source, name="claim", copyFrom=name)
    return reply


def test_a_certified_text_hides_the_theorem_as_the_search_did(repl: Any) -> None:
    front = "\n".join(repl("env.apart", name="List.map_map")["commands"])
    by_simp, by_induction = "intros; simp", "intro _ _ _ g f l; induction l <;> simp_all"
    assert _certify(repl, front, by_simp, "List.map_map")["rejected"]["reason"] == "elaboration"
    assert _certify(repl, "", by_simp, "List.map_map")["rejected"]["reason"] == "self_reference"
    assert "certificate" in _certify(repl, front, by_induction, "List.map_map")
    # What hides it for this text is there for the next one.
    assert _certify(repl, "", by_simp, "List.map_map")["rejected"]["reason"] == "self_reference"


@pytest.mark.parametrize(
    "front",
    [
        "attribute [simp] Nat.add_comm",
        "attribute [-simp, simp] Nat.add_comm",
        "attribute [-instance] instOfNatNat",
        "attribute [-simp] Nat.add_zero in open Nat",
        "attribute [-reducible] Nat.add_comm",
    ],
)
def test_a_text_takes_nothing_off_but_what_tactics_find_theorems_by(repl: Any, front: str) -> None:
    assert _certify(repl, front, "intro a b; omega", "Nat.add_comm")["rejected"]["reason"] == "forbidden"


def test_only_a_library_theorem_is_hidden(repl: Any) -> None:
    source = "attribute [-simp] Nat.add_zero\ntheorem claim : 1 = 1 := by\n  rfl\n"
    rejected = repl("proof.certify", source=source, name="claim", expr="1 = 1")["rejected"]
    assert rejected["reason"] == "forbidden"
