"""Conformance cases 58–60, 64 and the env, expr and options commands."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.lean


def test_58_delete(repl: Any) -> None:
    state = repl.start("∀ n : Nat, n = n")
    child = repl.tactic(state, "intro n")["nextStateId"]
    assert repl("goal.delete", stateIds=[state]) == {}
    assert repl.tactic(state, "intro n")["error"] == "index"
    assert repl.tactic(child, "rfl")["goals"] == []
    assert repl("goal.delete", stateIds=[state, 99]) == {}
    assert repl("stat") == {"nGoals": 2}


def test_59_reset_counts_and_starts_over(repl: Any) -> None:
    repl.start("True")
    repl.start("True")
    assert repl("reset") == {"nGoals": 2}
    assert repl("goal.start", expr="True")["stateId"] == 0


def test_60_continue(repl: Any) -> None:
    both = repl.after("True ∧ True", "constructor")
    assert repl("goal.continue", target=both, branch=both)["error"] == "structure"
    left = repl.tactic(both, "trivial", goalId=0, autoResume=False)
    assert left["goals"] == []
    resumed = repl("goal.continue", target=left["nextStateId"], branch=both)
    assert [goal["userName"] for goal in resumed["goals"]] == ["right"]
    assert repl.tactic(resumed["nextStateId"], "trivial")["goals"] == []
    foreign = repl.start("True")
    assert repl("goal.continue", target=left["nextStateId"], branch=foreign)["error"] == "structure"
    assert repl("goal.continue", target=left["nextStateId"], goals=["_uniq.99999"])["error"] == "structure"


def test_continue_with_named_goals(repl: Any) -> None:
    both = repl.tactic(repl.start("True ∧ True"), "constructor")
    right = both["goals"][1]["name"]
    left = repl.tactic(both["nextStateId"], "trivial", autoResume=False)
    resumed = repl("goal.continue", target=left["nextStateId"], goals=[right])
    assert [goal["name"] for goal in resumed["goals"]] == [right]
    only_right = repl("goal.continue", target=both["nextStateId"], goals=[right])
    assert [goal["name"] for goal in only_right["goals"]] == [right]


def test_parent_expressions(repl: Any) -> None:
    state = repl.after("∀ n : Nat, n = n", "intro n")
    (parent,) = repl("goal.print", stateId=state, parentExprs=True)["parentExprs"]
    assert parent["pp"].startswith("fun n => ?")


def test_expr_echo(repl: Any) -> None:
    reply = repl("expr.echo", expr="fun (n : Nat) => n + 1")
    assert reply["type"]["pp"] == "Nat → Nat"
    assert repl("expr.echo", expr="1", type="Int")["type"]["pp"] == "Int"
    assert repl("expr.echo", expr="(")["error"].startswith("pars")
    assert repl("expr.echo", expr="(1 : Bool)")["error"] == "elab"
    assert repl("expr.echo", expr="forall (n m: Nat), n + m = m + n")["type"]["pp"] == "Prop"


def test_options_round_trip(repl: Any) -> None:
    assert repl("options.set", printExprPretty=False, timeout=7) == {}
    options = repl("options.print")
    assert (options["printExprPretty"], options["timeout"], options["automaticMode"]) == (False, 7, True)
    assert len(options) == 9
    assert repl("options.set", printJsonPretty=True)["error"] == "command"


def test_env_describe(repl: Any) -> None:
    reply = repl("env.describe")
    assert reply["imports"] == ["Init"]
    assert "Init.Prelude" in reply["modules"]
    assert reply["leanVersion"].startswith("4.")


def test_env_inspect(repl: Any) -> None:
    reply = repl("env.inspect", name="Nat.add_comm", dependency=True)
    assert reply["type"]["pp"] == "∀ (n m : Nat), n + m = m + n"
    assert reply["isUnsafe"] is False
    assert reply["module"].startswith("Init.")
    assert "HAdd.hAdd" in reply["typeDependency"]
    assert repl("env.inspect", name="Nat")["inductInfo"]["ctors"] == ["Nat.zero", "Nat.succ"]
    assert repl("env.inspect", name="Nat.succ")["constructorInfo"]["induct"] == "Nat"
    assert repl("env.inspect", name="No.such")["error"] == "index"


def test_env_catalog(repl: Any) -> None:
    symbols = repl("env.catalog", modulePrefix="Init.Prelude")["symbols"]
    assert {"iNat", "cNat.succ"} <= set(symbols)


def test_env_theorems_pages_through_the_library(repl: Any) -> None:
    first = repl("env.theorems", prefixes=["Init.Data.Nat.Basic"], limit=100)
    second = repl("env.theorems", prefixes=["Init.Data.Nat.Basic"], offset=first["next"], limit=100)
    theorems = first["theorems"] + second["theorems"]
    assert first["total"] > 200
    assert len({theorem["name"] for theorem in theorems}) == len(theorems) > 20
    assert {theorem["module"] for theorem in theorems} == {"Init.Data.Nat.Basic"}
    assert len({theorem["fingerprint"] for theorem in theorems}) > 10
    assert "stateId" in repl("goal.start", expr=theorems[0]["statement"])
    last = repl("env.theorems", prefixes=["Init.Data.Nat.Basic"], offset=first["total"] - 1, limit=100)
    assert "next" not in last
