"""What clients of Pantograph say to it, one dialogue after the other, and what they rely on in the answers.

The dialogues are those that PyPantograph's own tests lead and those of Pantograph's tests that go over the wire; the
text is ours. What our REPL does not have, it must refuse by name: a client that goes on after a refusal would go wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.lean

Reply = dict[str, Any]


def shape(goal: Reply) -> tuple[str | None, list[tuple[str, str]], str]:
    """A goal's name, its variables with their types, and its target."""
    variables = [(v["userName"], v["type"]["pp"]) for v in goal["vars"]]
    return goal.get("userName"), variables, goal["target"]["pp"]


def shapes(reply: Reply) -> list[tuple[str | None, list[tuple[str, str]], str]]:
    return [shape(goal) for goal in reply["goals"]]


def targets(reply: Reply) -> list[str]:
    return [goal["target"]["pp"] for goal in reply["goals"]]


# --- the Python client's ---


def test_three_servers_come_and_go(new_repl: Callable[..., Any]) -> None:
    for _ in range(3):
        repl = new_repl()
        assert repl("expr.echo", expr="forall (n m: Nat), n + m = m + n")["type"] == {"pp": "Prop"}
        assert repl.close() == 0


def test_a_goal_is_opened_and_its_states_are_collected(repl: Any) -> None:
    start = repl("goal.start", expr="forall (p q: Prop), Or p q -> Or q p")
    step = repl.tactic(start["stateId"], "intro a")
    assert (start["stateId"], step["nextStateId"]) == (0, 1)
    assert shapes(step) == [(None, [("a", "Prop")], "∀ (q : Prop), a ∨ q → q ∨ a")]
    assert repl("goal.delete", stateIds=[0]) == {}
    assert repl("goal.start", expr="forall (p: Prop), p -> p")["stateId"] == 2
    assert repl("goal.delete", stateIds=[2]) == {}
    assert repl("stat") == {"nGoals": 1}


def test_the_root_is_known_when_it_is_proved(repl: Any) -> None:
    start = repl.start("forall (p: Prop), p -> p")
    assert "root" not in repl("goal.print", stateId=start, rootExpr=True)
    done = repl.tactic(start, "exact fun z p => p")["nextStateId"]
    assert repl("goal.print", stateId=done, rootExpr=True)["root"] == {"pp": "fun z p => p"}


def test_another_goal_is_worked_on_and_the_first_one_is_left(repl: Any) -> None:
    state = repl.after("forall (p q: Prop), Or p q -> Or q p", "intro a b h")
    both = repl.tactic(state, "cases h")
    props = [("a", "Prop"), ("b", "Prop")]
    left, right = ("inl", [*props, ("h✝", "a")], "b ∨ a"), ("inr", [*props, ("h✝", "b")], "b ∨ a")
    assert shapes(both) == [left, right]
    second = repl.tactic(both["nextStateId"], "apply Or.inl", goalId=1)
    assert shapes(repl.tactic(second["nextStateId"], "assumption")) == [left]


def test_have_asks_for_the_claim_and_then_gives_it(repl: Any) -> None:
    reply = repl("goal.tactic", stateId=repl.start("1 + 1 = 2"), have="2 = 1 + 1", binderName="h")
    assert shapes(reply) == [(None, [], "2 = 1 + 1"), (None, [("h", "2 = 1 + 1")], "1 + 1 = 2")]


def test_let_names_the_value_it_asks_for(repl: Any) -> None:
    reply = repl("goal.tactic", stateId=repl.start("1 + 1 = 2"), let="2 = 1 + 1", binderName="h")
    assert shapes(reply) == [("h", [], "2 = 1 + 1"), (None, [("h", "2 = 1 + 1")], "1 + 1 = 2")]
    assert reply["goals"][1]["vars"][0]["value"] == {"pp": "?h"}


@pytest.mark.usefixtures("our_repl")
def test_calc_and_conv_are_entered_and_left(repl: Any) -> None:
    repl("options.set", automaticMode=False)
    state = repl.after("∀ (a b: Nat), (b = 2) -> 1 + a + 1 = a + b", "intro a b h")
    entered = repl("goal.tactic", stateId=state, mode="calc")
    assert [goal["fragment"] for goal in entered["goals"]] == ["calc"]
    variables = [("a", "Nat"), ("b", "Nat"), ("h", "b = 2")]
    steps = repl.tactic(entered["nextStateId"], "1 + a + 1 = a + 1 + 1")
    assert shapes(steps) == [("calc", variables, "1 + a + 1 = a + 1 + 1"), (None, variables, "a + 1 + 1 = a + b")]
    assert [goal["fragment"] for goal in steps["goals"]] == ["tactic", "calc"]

    conv = repl("goal.tactic", stateId=steps["nextStateId"], mode="conv")
    assert [goal["fragment"] for goal in conv["goals"]] == ["conv"]
    for mode in ("conv", "calc"):
        assert repl("goal.tactic", stateId=conv["nextStateId"], mode=mode)["error"] == "invalid"
    right = repl.tactic(conv["nextStateId"], "rhs")
    assert right["goals"][0]["ppGoal"].endswith("| a + 1 + 1")
    turned = repl.tactic(right["nextStateId"], "rw [Nat.add_comm]")
    left = repl("goal.tactic", stateId=turned["nextStateId"], mode="tactic")
    assert targets(left) == ["1 + a + 1 = 1 + (a + 1)"]
    assert [goal["fragment"] for goal in left["goals"]] == ["tactic"]
    assert repl.tactic(left["nextStateId"], "rw [← Nat.add_assoc]")["goals"] == []

    last = repl.tactic(steps["nextStateId"], "_ = a + 2", goalId=1)
    assert [goal["fragment"] for goal in last["goals"]] == ["tactic", "calc"]
    assert targets(last) == ["a + 1 + 1 = a + 2", "a + 2 = a + b"]
    assert repl.tactic(last["nextStateId"], "rw [Nat.add_assoc]")["goals"] == []


def test_siblings_tell_what_they_depend_on(repl: Any) -> None:
    repl("options.set", printDependentMVars=True)
    first, second = repl.tactic(repl.start("∃ (x : Nat), x + 1 = 0"), "apply Exists.intro")["goals"]
    assert first["target"]["dependentMVars"] == [second["name"]]
    assert second["target"]["dependentMVars"] == []


def test_a_definition_is_added_and_looked_at(new_repl: Callable[..., Any]) -> None:
    repl = new_repl()
    added = {"levels": [], "type": "forall (n: Nat), Nat", "value": "fun (n: Nat) => n + 1", "isTheorem": False}
    assert repl("env.add", name="mystery", typeErrorsAsGoals=False, **added) == {}
    shown = repl("env.inspect", name="mystery", value=False, dependency=False, source=True)
    assert shown["type"] == {"pp": "Nat → Nat"}


def test_a_text_is_cut_after_its_first_tactic(repl: Any) -> None:
    assert repl("env.parse", input="intro x; apply a", category="tactic") == {"pos": len("intro x")}


def test_a_draft_leaves_a_goal_for_each_sorry(repl: Any) -> None:
    state = repl.after("∀ p : Prop, p → p", "intro p")
    reply = repl("goal.tactic", stateId=state, draft="by\nhave h1 : Or p p := sorry\nsorry")
    assert shapes(reply) == [(None, [("p", "Prop")], "p ∨ p"), (None, [("p", "Prop"), ("h1", "p ∨ p")], "p → p")]
    assert reply["hasSorry"] is False
    end = repl.tactic(reply["nextStateId"], "intro h; exact h", goalId=1)
    assert targets(end) == ["p ∨ p"]
    assert repl("goal.print", stateId=end["nextStateId"])["rootHasMVar"] is True


@pytest.mark.parametrize(
    ("statement", "draft", "left"),
    [
        ("∀ n : Nat, 0 + n = n", "by\n  intro n\n  induction n with\n  | zero => sorry\n  | succ n ih => sorry", 2),
        ("∀ n : Nat, 0 + n = n", "fun n => (sorry : 0 + n = n)", 1),
        ("∀ n : Nat, 0 + n = n", "fun n => let m : Nat := sorry; sorry", 2),
        ("True ∧ True", "⟨sorry, ?_⟩", 2),
        ("True", "trivial", 0),
        ("True", "sorry", 1),
    ],
)
def test_drafts_of_many_shapes(repl: Any, statement: str, draft: str, left: int) -> None:
    reply = repl("goal.tactic", stateId=repl.start(statement), draft=draft)
    assert len(reply["goals"]) == left
    assert reply["hasSorry"] is False
    for _ in range(left):
        reply = repl.tactic(reply["nextStateId"], "first | exact 0 | trivial | simp")
    assert reply["goals"] == []
    assert repl("goal.print", stateId=reply["nextStateId"])["rootHasMVar"] is False


def test_a_goal_of_a_draft_must_not_depend_on_another(repl: Any) -> None:
    reply = repl("goal.tactic", stateId=repl.start("∃ n : Nat, n = 3"), draft="⟨sorry, sorry⟩")
    assert "nextStateId" not in reply
    assert "may not depend on another" in reply["messages"][0]["data"]


@pytest.mark.parametrize(
    "command",
    [
        "env.load",
        "env.save",
        "frontend.distil",
        "frontend.refactor",
        "frontend.track",
        "goal.load",
        "goal.save",
        "goal.subsume",
    ],
)
def test_what_is_not_there_is_refused_by_name(repl: Any, command: str) -> None:
    assert repl(command) == {"error": "command", "desc": f"Unknown command {command}"}


@pytest.mark.usefixtures("our_repl")
def test_whole_files_are_not_processed(repl: Any) -> None:
    assert repl("frontend.process") == {"error": "command", "desc": "Unknown command frontend.process"}


# --- the server's ---


def test_coupled_goals_go_on_once_the_unknown_is_given(repl: Any) -> None:
    three = repl.tactic(repl.start("(2: Nat) ≤ 5"), "apply Nat.le_trans")
    assert targets(three) == ["2 ≤ ?m", "?m ≤ 5", "Nat"]
    given = repl.tactic(three["nextStateId"], "exact 3", goalId=2, autoResume=False)
    assert given["goals"] == []
    rest = repl("goal.continue", target=given["nextStateId"], branch=three["nextStateId"])
    assert targets(rest) == ["2 ≤ 3", "3 ≤ 5"]


def test_goals_set_aside_twice_are_resumed_level_by_level(repl: Any) -> None:
    state = repl.after("∀ p q r s : Prop, p → q → r → s → (p ∧ q) ∧ (r ∧ s)", "intro p q r s hp hq hr hs")
    pairs = repl.tactic(state, "constructor", autoResume=False)
    inner = repl.tactic(pairs["nextStateId"], "constructor", goalId=0, autoResume=False)
    assert targets(inner) == ["p", "q"]
    first = repl.tactic(inner["nextStateId"], "exact hp", goalId=0, autoResume=False)
    assert first["goals"] == []
    second = repl("goal.continue", target=first["nextStateId"], branch=inner["nextStateId"])
    assert targets(second) == ["q"]
    left = repl.tactic(second["nextStateId"], "exact hq", autoResume=False)
    assert left["goals"] == []
    right = repl("goal.continue", target=left["nextStateId"], branch=pairs["nextStateId"])
    assert targets(right) == ["r ∧ s"]
    end = repl.tactic(right["nextStateId"], "exact ⟨hr, hs⟩", autoResume=False)
    whole = repl("goal.print", stateId=end["nextStateId"], rootExpr=True)
    assert (end["goals"], whole["rootHasMVar"]) == ([], False)
    assert whole["root"]["pp"] == "fun p q r s hp hq hr hs => ⟨⟨hp, hq⟩, ⟨hr, hs⟩⟩"


def test_goals_of_two_states_are_resumed_together(repl: Any) -> None:
    three = repl.tactic(repl.start("(2: Nat) ≤ 5"), "apply Nat.le_trans")
    unknown = repl.tactic(three["nextStateId"], "apply Nat.succ", goalId=2, autoResume=False)
    assert targets(unknown) == ["Nat"]
    names = [goal["name"] for goal in (*three["goals"], *unknown["goals"])]
    together = repl("goal.continue", target=unknown["nextStateId"], goals=names)
    assert targets(together) == ["2 ≤ Nat.succ ?m", "Nat.succ ?m ≤ 5", "Nat"]
    assert repl("goal.continue", target=0, goals=names)["error"] == "structure"
    unsolved = repl("goal.continue", target=unknown["nextStateId"], branch=three["nextStateId"])
    assert unsolved["desc"] == "Target state has unresolved goals"


def test_a_proposition_is_given_by_its_proof(repl: Any) -> None:
    pair = repl.tactic(repl.start("Σ' p:Prop, p"), "apply PSigma.mk")
    assert shapes(pair) == [("snd", [], "?fst"), ("fst", [], "Prop")]
    under = repl("goal.tactic", stateId=pair["nextStateId"], expr="λ (x: Nat) => _", goalId=0, autoResume=False)
    (goal,) = under["goals"]
    assert goal["target"]["pp"].startswith("?m")
    done = repl("goal.tactic", stateId=under["nextStateId"], expr="Eq.refl x")
    assert done["goals"] == []
    assert repl("goal.print", stateId=done["nextStateId"])["rootHasMVar"] is False


def test_a_claim_is_proved_first_and_used_then(repl: Any) -> None:
    state = repl.after("∀ (p q: Prop), p → ((p ∨ q) ∨ (p ∨ q))", "intro p q h")
    claimed = repl("goal.tactic", stateId=state, have="p ∨ q", binderName="y", goalId=0, autoResume=False)
    assert [name for name, _, _ in shapes(claimed)] == [None, None]
    proved = repl("goal.tactic", stateId=claimed["nextStateId"], expr="Or.inl h", goalId=0, autoResume=False)
    assert proved["goals"] == []
    rest = repl("goal.continue", target=proved["nextStateId"], branch=claimed["nextStateId"])
    assert shapes(rest)[0][1][-1] == ("y", "p ∨ q")
    end = repl("goal.tactic", stateId=rest["nextStateId"], expr="Or.inl y")
    # Pantograph's own root, `fun p q h y => Or.inl y`, is no proof of the statement.
    root = repl("goal.print", stateId=end["nextStateId"], rootExpr=True)["root"]
    assert root == {"pp": "fun p q h => Or.inl (Or.inl h)"}


@pytest.mark.parametrize("way", [{"let": "Nat", "binderName": "b"}, {"expr": "let b : Nat := _; _"}])
def test_a_value_is_given_first_and_seen_then(repl: Any, way: dict[str, str]) -> None:
    names = ("b", None) if "let" in way else ("_1", "_2")
    state = repl.after("∀ (p q: Prop), p → ((p ∨ q) ∨ (p ∨ q))", "intro a p h")
    open_ = repl("goal.tactic", stateId=state, goalId=0, autoResume=False, **way)
    assert tuple(name for name, _, _ in shapes(open_)) == names
    assert targets(open_) == ["Nat", "(a ∨ p) ∨ a ∨ p"]
    assert open_["goals"][1]["vars"][-1]["value"] == {"pp": f"?{names[0]}"}
    given = repl.tactic(open_["nextStateId"], "exact 1", goalId=0, autoResume=False)
    rest = repl("goal.continue", target=given["nextStateId"], branch=open_["nextStateId"])
    assert rest["goals"][0]["vars"][-1]["value"] == {"pp": "1"}
    wrong = repl.tactic(rest["nextStateId"], "exact h")
    assert wrong["messages"][0]["data"].startswith("Type mismatch\n  h\nhas type\n  a\n")
    assert repl.tactic(rest["nextStateId"], "exact Or.inl (Or.inl h)")["goals"] == []


def test_levels_are_declared_for_an_echo(repl: Any) -> None:
    reply = repl("expr.echo", expr="λ {α : Sort (u + 1)} => List α", levels=["u"])
    assert reply == {"expr": {"pp": "fun {α} => List α"}, "type": {"pp": "{α : Type u} → Type u"}}


def test_a_conv_block_ends_with_its_last_goal(repl: Any) -> None:
    state = repl.after("∀ a b : Nat, (a + b = b + a) = True", "intro a b")
    conv = repl("goal.tactic", stateId=state, mode="conv")
    both = repl.tactic(conv["nextStateId"], "congr")
    assert [goal["fragment"] for goal in both["goals"]] == ["conv"] * len(both["goals"])
    reply = both
    for _ in both["goals"]:
        reply = repl.tactic(reply["nextStateId"], "try rw [Nat.add_comm]")
    left = repl("goal.tactic", stateId=both["nextStateId"], mode="tactic")
    assert [goal["fragment"] for goal in left["goals"]] == ["tactic"]


@pytest.mark.parametrize(("mode", "kind"), [("tactic", "invalid"), ("foo", "command")])
def test_a_goal_that_is_in_no_block_leaves_none(repl: Any, mode: str, kind: str) -> None:
    assert repl("goal.tactic", stateId=repl.start("True"), mode=mode)["error"] == kind


def test_a_step_of_a_block_that_does_not_fit_fails(repl: Any) -> None:
    start = repl.start("1 + 1 = 2")
    calc = repl("goal.tactic", stateId=start, mode="calc")["nextStateId"]
    for step in ("1 + 1", "_ < 3", "3 = 1 + 1", "1 + 1 = true", "foo = 2"):
        assert "nextStateId" not in repl.tactic(calc, step), step
    assert "parseError" in repl.tactic(calc, "= (")
    conv = repl("goal.tactic", stateId=start, mode="conv")["nextStateId"]
    assert "nextStateId" not in repl.tactic(conv, "rw [Nat.foo]")
    assert "parseError" in repl.tactic(conv, "exact rfl")
    assert repl.tactic(start, "rfl")["goals"] == []


def test_no_code_runs_inside_a_block(repl: Any) -> None:
    start = repl.start("1 + 1 = 2")
    calc = repl("goal.tactic", stateId=start, mode="calc")["nextStateId"]
    reply = repl.tactic(calc, "1 + 1 = by_elab return Lean.mkNatLit 2")
    assert "not allowed" in reply["messages"][0]["data"]
    draft = repl("goal.tactic", stateId=start, draft="by run_tac pure ()")
    assert "not allowed" in draft["messages"][0]["data"]
    conv = repl("goal.tactic", stateId=start, mode="conv")["nextStateId"]
    reply = repl.tactic(conv, "tactic => run_tac pure ()")
    assert "nextStateId" not in reply
