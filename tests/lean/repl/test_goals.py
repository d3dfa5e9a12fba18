"""Conformance cases 20–50, 54–56: opening proofs and running tactics."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.lean

OR_COMM = "∀ (p q: Prop), p ∨ q → q ∨ p"


def targets(reply: dict[str, Any]) -> list[str]:
    return [goal["target"]["pp"] for goal in reply["goals"]]


def errors(reply: dict[str, Any]) -> list[str]:
    return [message["data"] for message in reply.get("messages", ()) if message["severity"] == "error"]


def is_success(reply: dict[str, Any]) -> bool:
    return "nextStateId" in reply and "goals" in reply


# --- goal.start, goal.print ---


def test_20_start_answers_an_id_and_a_root(repl: Any) -> None:
    reply = repl("goal.start", expr=OR_COMM)
    assert reply["stateId"] == 0
    assert isinstance(reply["root"], str)
    assert "goals" not in reply


def test_21_goals_are_printed_only_when_asked_for(repl: Any) -> None:
    state = repl.start(OR_COMM)
    (goal,) = repl("goal.print", stateId=state, goals=True)["goals"]
    assert goal["vars"] == []
    assert goal["fragment"] == "tactic"
    assert goal["target"]["pp"] == "∀ (p q : Prop), p ∨ q → q ∨ p"
    assert repl("goal.print", stateId=state)["goals"] == []


@pytest.mark.usefixtures("our_repl")
def test_22_a_library_theorem(repl: Any) -> None:
    reply = repl("goal.start", copyFrom="Nat.add_comm", goals=True)
    assert targets(reply) == ["∀ (n m : Nat), n + m = m + n"]


def test_23_an_unknown_library_theorem(repl: Any) -> None:
    assert repl("goal.start", copyFrom="Nat.no_such_theorem")["error"] == "index"


@pytest.mark.parametrize("payload", [{}, {"expr": "True", "copyFrom": "Nat.add_comm"}])
def test_24_exactly_one_source(repl: Any, payload: dict[str, str]) -> None:
    assert "Exactly one of" in repl("goal.start", **payload)["desc"]


def test_25_a_statement_that_does_not_parse(repl: Any) -> None:
    assert repl("goal.start", expr="∀ (")["error"].startswith("pars")


def test_26_a_statement_that_does_not_elaborate(repl: Any) -> None:
    assert repl("goal.start", expr="foo_undefined = 1")["error"] == "elab"


@pytest.mark.usefixtures("our_repl")
def test_27_universe_levels_are_declared(repl: Any) -> None:
    assert repl("goal.start", expr="∀ (α : Sort u), α → α")["error"] == "elab"
    assert "stateId" in repl("goal.start", expr="∀ (α : Sort u), α → α", levels=["u"])
    assert "stateId" in repl("goal.start", expr="∀ (α : Sort u), α → α", header="universe u")


def test_28_numerals_default_to_nat(repl: Any) -> None:
    assert repl.tactic(repl.start("1 + 1 = 2"), "rfl")["goals"] == []


def test_29_the_root_is_absent_before_any_step(repl: Any) -> None:
    assert "root" not in repl("goal.print", stateId=repl.start(OR_COMM), rootExpr=True)


def test_a_header_opens_namespaces_and_declares_nothing(repl: Any) -> None:
    state = repl.start("∀ n m : Nat, n < m → n.succ ≤ m", header="open Nat")
    assert is_success(repl.tactic(state, "exact fun _ _ => succ_le_of_lt"))
    for header in (
        "axiom cheat : False",
        "set_option debug.skipKernelTC true",
        "open Nat\ndef x := 1",
        'notation "zz" => 0',
    ):
        assert repl("goal.start", expr="True", header=header)["error"] == "header"


def test_prop_asks_for_a_proposition(repl: Any) -> None:
    assert repl("goal.start", expr="Nat", prop=True)["error"] == "elab"
    assert "stateId" in repl("goal.start", expr="Nat")


# --- goal.tactic ---


def test_30_intro(repl: Any) -> None:
    reply = repl.tactic(repl.start(OR_COMM), "intro x")
    assert reply["nextStateId"] == 1
    (goal,) = reply["goals"]
    (variable,) = goal["vars"]
    assert (variable["userName"], variable["type"]["pp"]) == ("x", "Prop")
    assert goal["target"]["pp"] == "∀ (q : Prop), x ∨ q → q ∨ x"
    assert (reply["messages"], reply["hasSorry"], reply["hasUnsafe"]) == ([], False, False)
    printed = repl("goal.print", stateId=1, rootExpr=True)
    assert printed["root"]["pp"].startswith("fun x => ?")
    assert printed["rootHasMVar"] is True


def test_31_states_branch(repl: Any) -> None:
    start = repl.start(OR_COMM)
    first, second = repl.tactic(start, "intro x"), repl.tactic(start, "intro y")
    assert first["nextStateId"] != second["nextStateId"]
    again = repl("goal.print", stateId=first["nextStateId"], goals=True)
    assert again["goals"][0]["vars"][0]["userName"] == "x"


def test_32_bad_ids(repl: Any) -> None:
    state = repl.start("True")
    assert repl.tactic(99, "trivial")["error"] == "index"
    assert repl.tactic(state, "trivial", goalId=5)["error"] == "index"


def test_33_a_failed_tactic_has_messages_and_uses_no_id(repl: Any) -> None:
    state = repl.start(OR_COMM)
    reply = repl.tactic(state, "apply Nat.le_of_succ_le")
    assert "goals" not in reply
    assert not is_success(reply)
    assert errors(reply)
    assert reply["messages"][0]["pos"]["line"] == 0
    assert repl.tactic(state, "intro p")["nextStateId"] == state + 1


def test_an_error_already_logged_is_not_followed_by_an_empty_one(repl: Any) -> None:
    state = repl.after("∀ xs : List Nat, xs.length = 0", "intro xs")
    reply = repl.tactic(state, "induction xs with | nil => rfl | cons x xs ih => simp [ih]")
    assert errors(reply)
    assert not any("internal exception" in text for text in errors(reply))


def test_tasks_run(repl: Any) -> None:
    # The first task starts a thread in the embedded Lean; nothing may wait for it in vain.
    assert repl.tactic(repl.after("∀ n : Nat, n + 0 = n", "intro n"), "exact?")["goals"] == []


def test_34_unknown_tactic_is_a_parse_error(repl: Any) -> None:
    reply = repl.tactic(repl.start("True"), "nonexistent_tac")
    assert "parseError" in reply
    assert "messages" not in reply


@pytest.mark.parametrize("text", ["", "   ", "-- only a comment"])
def test_35_an_empty_tactic_never_finishes_a_proof(repl: Any, text: str) -> None:
    assert repl.tactic(repl.start("False"), text).get("goals") != []


@pytest.mark.parametrize("tactic", ["sorry", "exact (by sorry)", "have h : False := sorry; exact h.elim"])
def test_36_37_38_sorry_is_flagged(repl: Any, tactic: str) -> None:
    reply = repl.tactic(repl.start("1 = 2"), tactic)
    assert reply["goals"] == []
    printed = repl("goal.print", stateId=reply["nextStateId"])
    assert reply["hasSorry"] or printed["rootHasSorry"]


def test_39_cases_names_its_goals_and_hides_its_hypotheses(repl: Any) -> None:
    reply = repl.tactic(repl.after(OR_COMM, "intro p q h"), "cases h")
    assert [goal["userName"] for goal in reply["goals"]] == ["inl", "inr"]
    hidden = reply["goals"][0]["vars"][-1]
    assert (hidden["userName"], hidden["isInaccessible"]) == ("h✝", True)


def test_40_new_goals_come_before_old_siblings(repl: Any) -> None:
    state = repl.after(OR_COMM, "intro p q h", "cases h")
    assert [g.get("userName") for g in repl.tactic(state, "apply Or.inr")["goals"]] == ["inl.h", "inr"]
    repl("options.set", automaticMode=False)
    assert [g.get("userName") for g in repl.tactic(state, "apply Or.inr")["goals"]] == ["inl.h"]


def test_41_another_goal_first(repl: Any) -> None:
    state = repl.after(OR_COMM, "intro p q h", "cases h")
    reply = repl.tactic(state, "exact Or.inl ‹_›", goalId=1)
    assert [goal["userName"] for goal in reply["goals"]] == ["inl"]


def test_42_focusing_leaves_siblings_dormant(repl: Any) -> None:
    state = repl.after(OR_COMM, "intro p q h", "cases h")
    reply = repl.tactic(state, "exact Or.inr ‹_›", goalId=0, autoResume=False)
    assert reply["goals"] == []
    assert repl("goal.print", stateId=reply["nextStateId"])["rootHasMVar"] is True


def test_43_a_tactic_that_drops_a_goal_does_not_finish_the_proof(repl: Any) -> None:
    state = repl.after("∀ (p q r : Prop) (h : p → q), q ∧ r", "intro p q r h")
    assert repl.tactic(state, "simpa [h] using And.imp_left h _").get("goals") != []


@pytest.mark.parametrize(("before", "column"), [("", 12), ("skip\n", 17), ("have h : 1 ≤ 2 := by decide\n", 42)])
def test_44_errors_say_where_in_bytes(repl: Any, before: str, column: int) -> None:
    state = repl.after("∀ p : Nat → Prop, ∃ x, p (0 + x + 0)", "intro p")
    (message,) = repl.tactic(state, f"{before}exact ⟨0, by simp⟩")["messages"]
    assert message["data"].startswith("unsolved goals")
    assert (message["pos"], message["fileName"]) == ({"line": 0, "column": column}, "<Pantograph>")
    assert message["endPos"] == {"line": 0, "column": column + 7}


def test_every_error_is_told(repl: Any) -> None:
    tactic = "refine ⟨?_, ?_, ?_⟩\n· exact foo\n· trivial\n· exact bar"
    reply = repl.tactic(repl.start("True ∧ True ∧ True"), tactic)
    assert errors(reply) == ["Unknown identifier `foo`", "Unknown identifier `bar`"]
    columns = [len(tactic.partition(word)[0].encode()) for word in ("foo", "bar")]
    assert [message["pos"]["column"] for message in reply["messages"]] == columns


def test_what_was_thrown_comes_before_what_was_logged(repl: Any) -> None:
    reply = repl.tactic(repl.start("True ∧ False"), 'constructor\n· exact foo\nfail "the end"')
    assert [text.splitlines()[0] for text in errors(reply)] == ["the end", "Unknown identifier `foo`"]


def test_an_error_that_a_combinator_catches_is_none(repl: Any) -> None:
    for tactic in ("first | exact foo | trivial", "try exact foo\ntrivial", "any_goals (first | fail | trivial)"):
        reply = repl.tactic(repl.start("True"), tactic)
        assert (reply["goals"], reply["messages"]) == ([], []), tactic


def test_45_intro_takes_patterns(repl: Any) -> None:
    reply = repl.tactic(repl.start("∀ (p q : Prop), p ∧ q → p"), "intro p q ⟨hp, hq⟩")
    assert [variable["userName"] for variable in reply["goals"][0]["vars"]] == ["p", "q", "hp", "hq"]


def test_46_a_block_of_several_lines(repl: Any) -> None:
    assert is_success(repl.tactic(repl.start(OR_COMM), "intro p\nintro q"))


def test_47_junk_after_a_tactic(repl: Any) -> None:
    assert "parseError" in repl.tactic(repl.start("True"), "trivial junk )")


@pytest.mark.parametrize("payload", [{}, {"tactic": "trivial", "expr": "trivial"}])
def test_48_exactly_one_step(repl: Any, payload: dict[str, str]) -> None:
    assert "Exactly one of" in repl("goal.tactic", stateId=repl.start("True"), **payload)["desc"]


def test_49_a_term_with_holes(repl: Any) -> None:
    reply = repl("goal.tactic", stateId=repl.start("∀ p : Prop, p → p"), expr="fun p => ?_")
    assert targets(reply) == ["p → p"]


def test_49_holes_are_named_or_numbered(repl: Any) -> None:
    def names(expr: str, statement: str = "Nat ∧ Nat ∧ Nat") -> list[str | None]:
        state = repl.start(statement.replace("Nat", "True"))
        return [goal.get("userName") for goal in repl("goal.tactic", stateId=state, expr=expr)["goals"]]

    assert names("⟨_, ?here, _⟩") == ["_1", "here", "_2"]
    assert names("let b : Nat := _; _", "Nat") == ["_1", "_2"]
    assert names("id ?_", "Nat") == [None]
    reply = repl("goal.tactic", stateId=repl.start("True"), expr="let b : Nat := _; _")
    (b,) = reply["goals"][1]["vars"]
    assert b["value"]["pp"] == "?_1"


def test_a_term_of_another_type_is_refused(repl: Any) -> None:
    state = repl.start("1 = 2")
    for expr in ("rfl", "trivial", "(rfl : 1 = 1)", "fun x => x"):
        assert not is_success(repl("goal.tactic", stateId=state, expr=expr)), expr


def test_50_have_and_let(repl: Any) -> None:
    state = repl.start("1 + 1 = 2")
    claimed = repl("goal.tactic", stateId=state, have="2 = 1 + 1", binderName="h")
    assert targets(claimed) == ["2 = 1 + 1", "1 + 1 = 2"]
    assert [variable["userName"] for variable in claimed["goals"][1]["vars"]] == ["h"]
    defined = repl("goal.tactic", stateId=state, let="Nat", binderName="n")
    assert targets(defined) == ["Nat", "1 + 1 = 2"]
    assert [goal.get("userName") for goal in defined["goals"]] == ["n", None]
    assert defined["goals"][1]["vars"][0]["value"]["pp"] == "?n"
    given = repl.tactic(defined["nextStateId"], "exact 5")
    assert given["goals"][0]["vars"][0]["value"]["pp"] == "5"


def test_54_dependent_metavariables(repl: Any) -> None:
    repl("options.set", printDependentMVars=True)
    reply = repl.tactic(repl.start("∃ x : Nat, x + 1 = 1"), "apply Exists.intro")
    first, second = reply["goals"]
    assert first["target"]["dependentMVars"] == [second["name"]]


@pytest.mark.usefixtures("our_repl")
def test_55_a_time_limit_interrupts_and_leaves_the_state_usable(repl: Any) -> None:
    state = repl.start("∀ (x y z : Nat), (x + y + z) ^ 12 = (z + y + x) ^ 12")
    slow = "intro x y z; simp only [Nat.pow_succ, Nat.mul_add, Nat.add_mul]; done"
    assert repl.tactic(state, slow, timeout=200) == {"error": "io", "desc": "interrupt"}
    repl("options.set", timeout=200)
    assert repl.tactic(state, slow) == {"error": "io", "desc": "interrupt"}
    repl("options.set", timeout=0)
    assert is_success(repl.tactic(state, "intro x y z"))


def test_56_the_recursion_limit_leaves_the_state_usable(repl: Any) -> None:
    state = repl.start("True")
    assert "recursion" in repl.tactic(state, "repeat skip")["desc"]
    assert is_success(repl.tactic(state, "trivial"))


@pytest.mark.usefixtures("our_repl")
def test_56_the_heartbeat_limit_leaves_the_state_usable(new_repl: Callable[..., Any]) -> None:
    repl = new_repl("Init", "--maxHeartbeats=200")
    state = repl.after("∀ (x y z : Nat), (x + y + z) ^ 6 = (z + y + x) ^ 6", "intro x y z")
    reply = repl.tactic(state, "simp only [Nat.pow_succ, Nat.mul_add, Nat.add_mul]; done")
    assert "heartbeats" in reply["desc"]
    assert is_success(repl.tactic(state, "skip"))


def test_code_does_not_run_inside_a_tactic(repl: Any) -> None:
    state = repl.start("True")
    for tactic in ("run_tac pure ()", "exact by_elab do return Lean.mkConst ``True.intro", "exact eval% True.intro"):
        reply = repl.tactic(state, tactic)
        assert not is_success(reply), tactic
    assert is_success(repl.tactic(state, "trivial"))


# --- what we add: Lean's own text, and keys ---


def test_goal_text_is_leans_own(repl: Any) -> None:
    reply = repl.tactic(repl.after(OR_COMM, "intro p q h"), "cases h")
    assert reply["goals"][0]["ppGoal"] == "case inl\np q : Prop\nh✝ : p\n⊢ q ∨ p"


def test_keys_ignore_names_of_bound_and_inaccessible_variables(repl: Any) -> None:
    def key(expr: str, *tactics: str) -> str:
        state = repl.after(expr, *tactics)
        return str(repl("goal.print", stateId=state)["key"])

    assert key("∀ n : Nat, n = n") == key("∀ m : Nat, m = m")
    assert key("∀ n : Nat, n = n", "intros") == key("∀ m : Nat, m = m", "intros")
    assert key("∀ n : Nat, n = n", "intro n") != key("∀ n : Nat, n = n", "intro m")
    assert key("∀ n : Nat, n = n", "intros") != key("∀ n : Nat, n = n")
    assert key("∀ n : Nat, n = n") != key("∀ n : Nat, n = n + 0")
    surjective = "∀ (α : Type) (f : α → α), (∀ y, ∃ x, f x = y) → ∀ z, ∃ x, f x = z"
    with_holes = ("intro α f h z", "refine ⟨?x, ?_⟩")
    assert key(surjective, *with_holes) == key(surjective, *with_holes)
    assert key("∃ x : Nat, x + 1 = 1", "refine ⟨?a, ?b⟩") == key("∃ x : Nat, x + 1 = 1", "refine ⟨?c, ?d⟩")


@pytest.mark.parametrize(
    ("statement", "tactic", "groups"),
    [
        ("True ∧ 1 = 1 ∧ 2 = 2", "refine ⟨?_, ?_, ?_⟩", [0, 1, 2]),
        ("∃ n : Nat, n = 3 ∧ True", "apply Exists.intro", [0, 0]),
        ("(∃ n : Nat, n = 3) ∧ (∃ n : Nat, n = 4) ∧ True", "refine ⟨⟨?_, ?_⟩, ⟨?_, ?_⟩, ?_⟩", [0, 0, 2, 2, 4]),
        # What is unknown under a binder is unknown to whoever applies it.
        ("(∃ f : Nat → Nat, ∀ x, f x = x) ∧ True", "refine ⟨⟨fun x => ?a, fun x => ?b⟩, ?c⟩", [0, 0, 2]),
        # Two goals share what is no goal itself.
        ("∃ n : Nat, n = 3 ∧ n = 3", "refine ⟨?n, ?_, ?_⟩; rotate_left", [0, 0, 0]),
        # Only hypotheses speak of it.
        ("∃ n : Nat, n = n → True ∧ True", "refine ⟨?n, fun h => ⟨?_, ?_⟩⟩", [0, 0, 0]),
        # Only a hypothesis' universe is unknown.
        ("True ∧ True", "refine (fun (x : ULift Nat) => ?_) ⟨3⟩; constructor", [0, 0]),
        ("True ∧ True", "refine (fun (x : ULift.{0} Nat) => ?_) ⟨3⟩; constructor", [0, 1]),
    ],
)
def test_goals_that_share_an_unknown_are_one_group(repl: Any, statement: str, tactic: str, groups: list[int]) -> None:
    reply = repl.tactic(repl.start(statement), tactic)
    assert reply["groups"] == groups
    assert repl("goal.print", stateId=reply["nextStateId"], goals=True)["groups"] == groups


def test_a_start_is_one_group(repl: Any) -> None:
    assert repl("goal.start", expr="True", goals=True)["groups"] == [0]


def test_each_of_several_goals_is_solved_apart_and_a_finished_one_brings_no_other_back(repl: Any) -> None:
    state = repl.after("(True ∧ True) ∧ ∃ n : Nat, n = 3", "constructor")
    left = repl.tactic(state, "constructor", goalId=0, autoResume=False)
    assert [goal["userName"] for goal in left["goals"]] == ["left.left", "left.right"]
    one = repl.tactic(left["nextStateId"], "trivial", goalId=1, autoResume=False)
    assert one["goals"] == []
    rest = repl("goal.continue", target=one["nextStateId"], branch=left["nextStateId"])
    assert [goal["userName"] for goal in rest["goals"]] == ["left.left"]
    done = repl.tactic(rest["nextStateId"], "trivial", autoResume=False)
    assert done["goals"] == []
    right = repl("goal.continue", target=done["nextStateId"], branch=state)
    assert [goal["userName"] for goal in right["goals"]] == ["right"]
    end = repl.tactic(right["nextStateId"], "exact ⟨3, rfl⟩")
    assert end["goals"] == []
    assert repl("goal.print", stateId=end["nextStateId"])["rootHasMVar"] is False


def test_a_tactic_that_drops_a_goal_does_not_finish_a_goal_on_its_own_either(repl: Any) -> None:
    state = repl.after("∀ (p q r : Prop) (h : p → q), (q ∧ r) ∧ True", "intro p q r h", "constructor")
    reply = repl.tactic(state, "simpa [h] using And.imp_left h _", goalId=0, autoResume=False)
    assert reply.get("goals") != []


@pytest.mark.parametrize(
    "tactic",
    [
        "let rec go : (n : Nat) → 0 + n = n := fun n => Nat.zero_add n\nexact go",
        "exact (let rec go : (n : Nat) → 0 + n = n := fun n => Nat.zero_add n; go)",
    ],
)
def test_let_rec_is_refused_with_a_reason(repl: Any, tactic: str) -> None:
    reply = repl.tactic(repl.start("∀ n : Nat, 0 + n = n"), tactic)
    assert not is_success(reply)
    assert "`let rec` cannot be a step of a proof" in errors(reply)[0]


@pytest.mark.parametrize("context", ["", "variable (k : Nat)"])
@pytest.mark.parametrize(
    "expr",
    [
        "∀ n : Nat, (let rec go : Nat → Nat := fun m => m; go n) = n",
        "(n : Nat) (h : (let rec go (m : Nat) : Nat := m; go n) = 0) : n = n",
    ],
)
def test_let_rec_in_a_statement_is_refused_with_a_reason(repl: Any, expr: str, context: str) -> None:
    reply = repl("goal.start", expr=expr, context=context)
    assert reply["error"] == "elab"
    assert "`let rec` cannot be part of a statement" in reply["desc"]


# --- several tactics in one request ---


def _answers(repl: Any, state: int, tactics: list[Any], **more: object) -> list[Any]:
    """The line that answers each tactic, until one says that no more will come."""
    answers = [repl("goal.tactics", stateId=state, tactics=tactics, **more)]
    while answers[-1].get("left"):
        answers.append(json.loads(repl.read_line()))
    assert repl("stat")["nGoals"] >= 0  # nothing was left unread
    return answers


def test_each_of_several_tactics_is_answered_as_if_it_were_alone(repl: Any) -> None:
    state = repl.after("∀ p q : Prop, p ∧ q → q ∧ p", "intro p q h")
    tactics = ["constructor", "nosuch", "((", "cases h", "omega", "simp"]
    alone = [repl.tactic(state, tactic) for tactic in tactics]
    together = _answers(repl, state, tactics)
    assert [answer["left"] for answer in together] == [5, 4, 3, 2, 1, 0]
    assert all(answer.pop("microseconds") >= 0 for answer in together)
    for one, of_several in zip(alone, together, strict=True):
        del of_several["left"]
        assert ("nextStateId" in one) == ("nextStateId" in of_several)
        one.pop("nextStateId", None), of_several.pop("nextStateId", None)
        assert one == of_several


def test_no_tactic_is_begun_after_one_that_ends_the_proof(repl: Any) -> None:
    answers = _answers(repl, repl.start("1 + 1 = 2"), ["skip", "sorry", "rfl", "decide"])
    assert [answer.get("goals") == [] for answer in answers] == [False, True, True]
    assert [answer["left"] for answer in answers] == [3, 2, 0], "one that leaves a sorry is no end"


def test_each_of_several_tactics_has_the_time_of_one(repl: Any) -> None:
    state = repl.start("∀ (x y z : Nat), (x + y + z) ^ 12 = (z + y + x) ^ 12")
    slow = "intro x y z; simp only [Nat.pow_succ, Nat.mul_add, Nat.add_mul]; done"
    answers = _answers(repl, state, [slow, slow, "intro x"], timeout=200)
    assert [answer.get("desc") for answer in answers] == ["interrupt", "interrupt", None]
    assert is_success(answers[2])


def test_no_tactic_is_begun_when_the_time_of_all_is_up(repl: Any) -> None:
    assert len(_answers(repl, repl.start("1 + 1 = 2"), ["skip", "skip", "skip"], within=0)) == 1


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"stateId": 99, "tactics": ["rfl", "rfl"]}, "index"),
        ({"stateId": 0, "tactics": [1, "rfl"]}, "command"),
        ({"stateId": 0, "tactics": []}, "command"),
        ({"stateId": 0}, "command"),
        ({"stateId": 0, "tactics": "rfl"}, "command"),
        ({"stateId": 0, "tactics": ["rfl"], "within": "soon"}, "command"),
    ],
)
def test_several_tactics_that_cannot_be_run_are_refused_once(repl: Any, payload: Any, kind: str) -> None:
    repl.start("1 + 1 = 2")
    reply = repl("goal.tactics", **payload)
    assert reply["error"] == kind
    assert reply.get("left", 0) == 0
    assert repl("stat") == {"nGoals": 1}


# --- goals are printed from what was printed before ---

RELATED = "∀ (α : Type) (R : α → α → Prop) (x y : α), (∀ y, ∃ x, R x y) → R x y → ∃ z, R z z"
MIXED = "∀ (p q : Prop), (p ∧ q) ∨ (q ∧ p) → ∀ n m : Nat, n + m = m + n ∧ p"

WAYS = [
    (
        RELATED,
        "intro α R x y h1 h2 / have h3 := h1 x / obtain ⟨w, h3⟩ := h3 / have h4 := h1 w / clear h2 / have h5 := h4",
    ),
    # Names that a bound variable has, or gets because a hypothesis mentions a variable of that name.
    (RELATED, "intro α R x y h1 h2 / have x_1 := h1 x / obtain ⟨x_2, h⟩ := x_1 / have z := h1 x_2 / clear z / clear h"),
    (
        "∀ x : Nat, (∀ y : Nat, y < x → ∃ x, x = y) → x = x",
        "intro x / intro x_1 / have x_2 := x_1 x / intros / clear x_2",
    ),
    ("∀ x : Nat, (∀ y : Nat, ∃ z, z + y = x) → True", "intro x h / have y := h x / have ⟨z, hz⟩ := y"),
    # Variables that are renamed, shadowed, or change places.
    (
        MIXED,
        "intro p q h n m / cases h / rename_i h / obtain ⟨h, h'⟩ := h / constructor / rename Nat => k / skip",
    ),
    ("∀ a b : Nat, a = b → b = a", "intro a b h / have a := h.symm / have b := a.symm / have h := b.symm"),
    (
        "∀ a b : Nat, a < b → ∀ c, b < c → a < c",
        "intro a b h c h' / rename a < b => hab / rename b < c => hbc / revert hab / intro h / revert a / intro q h",
    ),
    (
        "∀ z : Nat, (∃ x, x = z) → (∀ x, x + z = x) → True",
        "intro x h h' / have x_1 := (rfl : 1 = 1) / have x_2 := x / clear x_1",
    ),
    # A local variable that hides a constant's short name.
    ("Nat.gcd 2 3 = 1 → (∀ n : Nat, id n = n) → True", "intro h h' / have gcd := h' 1 / have id := 1 / clear gcd"),
    (
        "∀ f : Nat → Nat, (∀ n, Nat.succ (f n) = Nat.add n 1) → f = id",
        "intro f h / have succ := h 0 / have add := h 1 / clear succ / funext id",
    ),
    # Let-variables, metavariables, several goals, long types, and a goal without hypotheses.
    (
        "∀ n : Nat, n = n ∧ n + 0 = n",
        "intro n / let k : Nat × Nat := (n, 1) / have h : k.1 = n := rfl / have n := (rfl : 1 = 1) / constructor / rfl",
    ),
    ("∃ x : Nat, x = 1 ∧ x < 2", "refine ⟨?x, ?_, ?_⟩ / case x => exact 1 / rfl / skip / decide"),
    (
        "∃ x : Nat, x = x ∧ True",
        "refine ⟨?x, ?_⟩ / rotate_left / have h := Eq.refl ?x / have h' := h.symm / rotate_left / exact 1 / skip",
    ),
    (
        "∃ x y : Nat, x + y = 2 ∧ x = y",
        "refine ⟨?a, ?b, ?_, ?_⟩ / rotate_left; rotate_left / have h : 1 = 1 := rfl / have h' := h",
    ),
    (
        f"∀ p : Prop, {' ∧ '.join(['(p ∨ ¬ p)'] * 14)} → p ∨ ¬ p",
        "intro p h / have h1 := h / have h2 := h.1 / have h3 := h.2 / clear h",
    ),
    ("True ∧ True", "constructor / trivial / trivial"),
    (
        "∀ (α : Type) [Inhabited α] [inst : DecidableEq α], ∃ x : α, x = x",
        "intro α _ _ / refine ⟨default, ?_⟩ / have := @rfl / rfl",
    ),
    (
        '∀ s : String, s ++ "a : b" = s ++ "a : b"',
        "intro s / have h : \"  x : y\" = \"  x : y\" := rfl / have h' : 'a' = ':' ∨ True := .inr trivial / rfl",
    ),
    ("∀ n : Nat, (match n with | 0 => True | _ + 1 => True) → n = n", "intro n h / have h' := h / cases n / rfl / rfl"),
    (
        "∀ a b : Nat, a + b = b + a",
        "intro a b / induction a generalizing b / simp / rename_i ih / have h := ih b / omega",
    ),
    (
        "∀ «a b» : Nat, «a b» = 1 → «a b» + 0 = 1",
        "intro «a b» «h : x» / have h := «h : x» / have «h : x» := h / exact h",
    ),
]


def printed(goals: list[dict[str, Any]]) -> list[Any]:
    hypotheses = [[(v["userName"], v["type"]["pp"], v.get("value", {}).get("pp")) for v in g["vars"]] for g in goals]
    return [(g["ppGoal"], g["target"]["pp"], known) for g, known in zip(goals, hypotheses, strict=True)]


@pytest.mark.usefixtures("our_repl")
@pytest.mark.parametrize(("expr", "tactics"), WAYS)
@pytest.mark.parametrize(
    "header", ["", "open Nat", "set_option pp.safeShadowing false", "set_option pp.sanitizeNames false"]
)
def test_what_is_taken_over_from_the_state_before_is_what_lean_prints(
    repl: Any, header: str, expr: str, tactics: str
) -> None:
    state = repl.start(expr, header=header)
    repl("goal.print", stateId=state, goals=True)
    for tactic in tactics.split(" / "):
        reply = repl.tactic(state, tactic)
        if not is_success(reply):
            assert header, reply  # a name means something else there
            continue
        state = reply["nextStateId"]
        anew = repl("goal.print", stateId=state, goals=True)["goals"]
        assert reply["goals"] == anew
        repl("options.set", printDependentMVars=True)  # now each type is printed by itself
        apart = repl("goal.print", stateId=state, goals=True)["goals"]
        repl("options.set", printDependentMVars=False)
        assert printed(anew) == printed(apart)
