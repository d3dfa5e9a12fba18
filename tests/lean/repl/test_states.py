"""Conformance cases 58–60, 64 and the env, expr and options commands."""

from __future__ import annotations

from collections.abc import Callable
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
    nat = repl("env.inspect", name="Nat")["inductInfo"]
    assert nat["ctors"] == ["Nat.zero", "Nat.succ"]
    assert (nat["isRec"], nat["isReflexive"], nat["isNested"]) == (True, False, False)
    assert repl("env.inspect", name="Acc")["inductInfo"]["isReflexive"] is True
    assert repl("env.inspect", name="Lean.Syntax")["inductInfo"]["isNested"] is True
    assert repl("env.inspect", name="Nat.succ")["constructorInfo"]["induct"] == "Nat"
    assert repl("env.inspect", name="No.such")["error"] == "index"


def test_env_inspect_shows_the_rules_of_a_recursor(repl: Any) -> None:
    zero, succ = repl("env.inspect", name="Nat.rec")["recursorInfo"]["rules"]
    assert (zero["ctor"], zero["nFields"], zero["rhs"]["pp"]) == ("Nat.zero", 0, "fun motive zero succ => zero")
    assert (succ["ctor"], succ["nFields"]) == ("Nat.succ", 1)
    assert succ["rhs"]["pp"] == "fun motive zero succ n => succ n (Nat.rec zero succ n)"


def test_env_catalog(repl: Any) -> None:
    reply = repl("env.catalog", modulePrefix="Init.Prelude")
    prelude = set(reply["symbols"])
    assert {"iNat", "cNat.succ"} <= prelude
    assert reply["nSymbols"] == len(reply["symbols"])
    others = set(repl("env.catalog", modulePrefix="Init.Prelude", invertFilter=True)["symbols"])
    assert "aNat.add_comm" in others  # a module exports its theorems as axioms
    assert not prelude & others
    assert prelude | others == set(repl("env.catalog")["symbols"])


def test_env_catalog_writes_no_file_that_nobody_would_see(repl: Any) -> None:
    reply = repl("env.catalog", filename="catalog.txt")
    assert reply["error"] == "io"
    assert "without `filename`" in reply["desc"]


def test_env_module_read(repl: Any) -> None:
    reply = repl("env.module_read", module="Init.Core")
    assert reply["imports"] == ["Init.SizeOf"]
    assert "Nat" not in reply["constNames"]
    assert "Iff.intro" in reply["constNames"]
    assert repl("env.module_read", module="No.Such")["error"] == "exception"


@pytest.mark.parametrize(
    ("text", "category", "head"),
    [
        ("intro x; apply a", "tactic", "intro x"),
        ("  ∀ x, x = 1 := foo", "term", "  ∀ x, x = 1 "),
        ("rfl", "tactic", "rfl"),
    ],
)
def test_env_parse_takes_the_first_piece(repl: Any, text: str, category: str, head: str) -> None:
    assert repl("env.parse", input=text, category=category) == {"pos": len(head.encode())}


@pytest.mark.parametrize(("text", "category"), [("∀ x, (", "term"), ("", "tactic"), ("intro", "no_such_category")])
def test_env_parse_refuses_the_rest(repl: Any, text: str, category: str) -> None:
    assert repl("env.parse", input=text, category=category)["error"] == "parse"


@pytest.mark.usefixtures("our_repl")
def test_64_added_definitions_can_be_looked_at_and_used(new_repl: Callable[..., Any]) -> None:
    repl = new_repl()
    assert repl("env.add", name="twice", type="Nat → Int", value="fun a => a + a", isTheorem=False) == {}
    shown = repl("env.inspect", name="twice", value=True)
    assert (shown["type"]["pp"], shown["value"]["pp"]) == ("Nat → Int", "fun a => ↑a + ↑a")
    assert "module" not in shown
    pair = {"type": "(α : Type u) → α → α × α", "value": "fun α x => (x, x)"}
    assert repl("env.add", name="pair", levels=["u"], isTheorem=False, **pair) == {}
    assert repl("env.inspect", name="pair")["type"]["pp"] == "(α : Type u) → α → α × α"
    assert repl("env.catalog", modulePrefix="Init", invertFilter=True)["symbols"] == ["dpair", "dtwice"]
    assert repl.tactic(repl.start("twice 2 = 4"), "rfl")["goals"] == []
    assert repl("env.add", name="four", type="twice 2 = 4", value="rfl", isTheorem=True) == {}
    assert repl("goal.start", copyFrom="four", goals=True)["goals"][0]["target"]["pp"] == "twice 2 = 4"


@pytest.mark.parametrize(
    ("declaration", "kind"),
    [
        ({"type": "Nat", "value": "true"}, "elab"),
        ({"type": "1 = 2", "value": "rfl", "isTheorem": True}, "elab"),
        ({"type": "Nat", "value": "3", "isTheorem": True}, "exception"),
        ({"type": "Nat", "value": "_"}, "elab"),
        ({"type": "List.{u} Nat", "value": "[]"}, "elab"),
        ({"type": "Nat", "value": "("}, "parse"),
        ({"type": "Nat", "value": "eval% 3"}, "elab"),
        ({"type": "Nat", "value": "by run_tac pure ()"}, "elab"),
        ({"name": "Nat.add", "type": "Nat", "value": "3"}, "exception"),
        ({"type": "Nat"}, "command"),
    ],
)
def test_64_what_does_not_hold_is_not_added(repl: Any, declaration: dict[str, Any], kind: str) -> None:
    assert repl("env.add", **{"name": "added", "isTheorem": False} | declaration)["error"] == kind
    assert repl("env.inspect", name="added")["error"] == "index"


def test_no_certificate_rests_on_what_was_added(new_repl: Callable[..., Any]) -> None:
    repl = new_repl()
    assert repl("env.add", name="lie", type="1 = 2", value="sorry", isTheorem=True) == {}
    certify = {"name": "t", "expr": "1 = 2"}
    assert "rejected" in repl("proof.certify", source="theorem t : 1 = 2 := lie", **certify)
    assert repl.tactic(repl.start("1 = 2"), "exact lie")["goals"] == []


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
