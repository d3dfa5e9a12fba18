"""Statements whose elaboration declares things or is polished afterwards, each with a proof and with near misses.

``@k`` stands for a number and ``@T`` for a type; a shape is filled in with several of them.
"""

from __future__ import annotations

from itertools import product

import attrs

__all__ = ["STATEMENTS", "Statement"]


@attrs.frozen
class Statement:
    """One statement."""

    text: str
    proof: str
    others: tuple[str, ...]
    """Statements that differ from it by one numeral, name, operator, binder type or order."""


# (statement, proof, what is replaced in it → by what, one replacement for each near miss)
_SHAPES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("let n := @k; n = @k", "rfl", [(":= @k", ":= @k + 0"), ("n = @k", "n ≤ @k"), ("n = @k", "@k = n")]),
    (
        "let n : @T := @k; n + 1 = @k + 1",
        "intro n; rfl",
        [("+ 1 = ", "+ 2 = "), (": @T", ": Fin 9"), ("n + 1", "1 + n")],
    ),
    ("let a := @k; let b := a; b = @k", "rfl", [("b = ", "a = "), ("b := a", "b := id a")]),
    ("∀ x : @T, let y := x + @k; y = x + @k", "intro x; rfl", [("let y := x", "let y := @k"), ("y = x", "x = x")]),
    ("have n := @k; n = n", "rfl", [("n = n", "@k = n"), (":= @k", ":= @k * 1"), ("have n", "have n : Int")]),
    (
        "∀ x : @T, (let f := fun y : @T => y + x; f @k) = @k + x",
        "intro x; rfl",
        [("y + x", "x + y"), ("f @k", "f x"), ("= @k + x", "= x + @k")],
    ),
    (
        "∀ o : Option @T, (match o with | none => @k | some x => x) = o.getD @k",
        "intro o; cases o <;> rfl",
        [
            ("none => @k", "none => @k + 0"),
            ("=> x)", "=> x + 0)"),
            ("getD @k", "getD (@k + 1)"),
            ("= o.getD", "≠ o.getD"),
        ],
    ),
    (
        "∀ n : Nat, (match n with | 0 => @k | _ + 1 => @k) = @k",
        "intro n; cases n <;> rfl",
        [
            ("| 0 => @k", "| 0 => 77"),
            ("| 0 => @k | _ + 1 => @k", "| _ + 1 => @k | 0 => @k"),
            ("| 0 => @k | _ + 1 => @k", "| 0 => @k | 1 => @k | _ + 2 => @k"),
        ],
    ),
    (
        "∀ p : @T × @T, (match p with | (a, b) => a + b) = p.1 + p.2",
        "intro p; rfl",
        [("=> a + b", "=> b + a"), ("(a, b)", "(b, a)"), ("a + b", "a * b"), ("p.1 + p.2", "p.2 + p.1")],
    ),
    (
        "∀ a b : Bool, (match a, b with | true, true => @k | _, _ => 0) = if a && b then @k else 0",
        "intro a b; cases a <;> cases b <;> rfl",
        [("true, true", "true, false"), ("a, b with", "b, a with"), ("&&", "||"), ("| _, _", "| false, _ => 0 | _, _")],
    ),
    (
        "∀ xs : List @T, (match xs with | [] => 0 | [_] => 1 | _ :: _ :: t => t.length + 2) = xs.length",
        "intro xs; rcases xs with _ | ⟨x, _ | ⟨y, t⟩⟩ <;> rfl",
        [
            ("[_] => 1", "[_] => 2"),
            ("[] => 0 | [_] => 1", "[_] => 1 | [] => 0"),
            ("+ 2", "+ 3"),
            ("xs.length", "(xs.map id).length"),
        ],
    ),
    (
        "∀ n : Nat, (match h : n with | 0 => @k | m + 1 => have : n = m + 1 := h; @k) = @k",
        "intro n; cases n <;> rfl",
        [("| 0 => @k", "| 0 => 55"), ("have : n = m + 1 := h; ", "")],
    ),
    (
        "(fun (a, b) => a + b : @T × @T → @T) (@k, 1) = @k + 1",
        "rfl",
        [("(a, b)", "(b, a)"), ("(@k, 1)", "(1, @k)"), ("a + b", "a - b"), ("= @k + 1", "= 1 + @k")],
    ),
    (
        "(fun | 0 => 1 | n + 1 => n * @k : Nat → Nat) (@k + 1) = @k * @k",
        "rfl",
        [
            ("n * @k", "@k * n"),
            ("| 0 => 1", "| 0 => 2"),
            ("| 0 => 1 | n + 1 => n * @k", "| n + 1 => n * @k | 0 => 1"),
            ("| 0 => 1 | n", "| 0 => 1 | 1 => 1 | n"),
        ],
    ),
    (
        "(fun | (a, b), some c => a + b + c | (a, _), none => a : @T × @T → Option @T → @T) (@k, 2) none = @k",
        "rfl",
        [("none = @k", "(some 0) = @k"), ("none => a", "none => a + 0"), ("(a, _)", "(_, a)")],
    ),
    (
        "∀ p : @T × @T, (let (a, b) := p; a + b * @k) = p.1 + p.2 * @k",
        "intro p; rfl",
        [
            ("(a, b) :=", "(b, a) :="),
            ("a + b", "b + a"),
            ("p.1 +", "p.2 +"),
            ("let (a, b) := p", "let (a, b) := (p.1, p.2)"),
        ],
    ),
    (
        "∀ o : Option @T, (if let some x := o then x else @k) = o.getD @k",
        "intro o; cases o <;> rfl",
        [("else @k", "else 0 + @k"), ("then x", "then x + 0"), ("some x := o", "some x := o.map id")],
    ),
    (
        "(do let x ← some (@k : @T); let y ← some 1; return x + y) = some (@k + 1)",
        "rfl",
        [("x + y", "y + x"), ("← some 1", "← some 2"), ("= some (@k", "= some (0 + @k"), ("return x", "return 0 + x")],
    ),
    (
        "∀ o : Option @T, (do\n  let some x := o | none\n  pure (x, @k)) = o.map (·, @k)",
        "intro o; cases o <;> rfl",
        [("| none", "| some (0, 1)"), ("pure (x, @k)", "pure (x, 0)"), ("map (·, @k)", "map (·, 0)")],
    ),
    (
        "(Id.run do\n  let mut s := 0\n  for x in [1, @k] do\n    s := s + x\n  return s) = 1 + @k",
        "rfl",
        [("[1, @k]", "[@k, 1]"), ("s + x", "x + s"), ("s := 0", "s := 1"), ("= 1 + @k", "= @k + 1")],
    ),
    (
        "(Id.run do\n  let mut s := @k\n  if s = 0 then\n    s := 1\n  return s + 1) = @k + 1",
        "rfl",
        [("s = 0", "s = 1"), ("s := 1", "s := 2"), ("return s + 1", "return s")],
    ),
    (
        "∀ v : Vector @T 9, v[@k] = v[@k]",
        "intro v; rfl",
        [("v[@k] = ", "v[0] = "), ("@T 9", "@T 8"), ("= v[@k]", "= v[@k]!"), ("= v[@k]", "= v[(@k : Fin 9)]")],
    ),
    (
        "∀ (xs : Array @T) (h : @k < xs.size), xs[@k] = xs[@k]'h",
        "intro xs h; rfl",
        [
            ("(h : @k <", "(h : (@k) + 0 <"),
            ("xs[@k] =", "xs[0] ="),
            ("Array @T", "Vector @T 9"),
            ("xs[@k]'h", "xs[@k]'h + 0"),
        ],
    ),
    (
        "∀ (xs : List @T) (i : Nat) (h : i + @k < xs.length), xs[i]? = some xs[i]",
        "intro xs i h; exact List.getElem?_eq_getElem (Nat.lt_of_le_of_lt (Nat.le_add_right i _) h)",
        [("+ @k", "+ 1 + @k"), ("some xs[i]", "some xs[i + 0]"), ("xs[i]? ", "xs[i + 0]? ")],
    ),
    (
        "(⟨@k, by omega⟩ : Fin 9).val = @k",
        "rfl",
        [("Fin 9", "Fin 10"), ("⟨@k", "⟨0 + @k"), ("= @k", "< @k")],
    ),
    (
        "(⟨@k, by decide⟩ : Fin 9) = ⟨@k, by omega⟩",
        "rfl",
        [("⟨@k, by decide⟩", "⟨@k + 0, by decide⟩"), ("Fin 9", "Fin 12"), ("=", "≤")],
    ),
    (
        "(⟨@k, by simp⟩ : {n : Nat // n < 100}).1 = (⟨@k, by decide⟩ : {n : Nat // n ≤ 200}).1",
        "rfl",
        [("< 100", "< 101"), ("≤ 200", "< 200"), ("⟨@k, by simp⟩", "⟨0 + @k, by simp⟩")],
    ),
    (
        "∀ (n) (h : @k < n := by decide), n ≠ 0",
        "intro n h; exact Nat.ne_of_gt (Nat.lt_of_le_of_lt (Nat.zero_le _) h)",
        [("by decide", "by omega"), ("@k < n :=", "@k + 1 < n :="), (" := by decide", ""), ("n ≠ 0", "0 ≠ n")],
    ),
    (
        "∀ (n : @T := @k), n = n",
        "intro n; rfl",
        [(" := @k", " := 0 + @k"), (" := @k", ""), (": @T", ": Fin 9")],
    ),
    ('s!"{@k}" = toString @k', "rfl", [("{@k}", "{@k} "), ("= toString", '= s!"" ++ toString')]),
    (
        "∃ f : @T → @T, ∀ x, f x = (fun y => let z := y; z + @k) x",
        "exact ⟨fun x => x + @k, fun _ => rfl⟩",
        [("z + @k", "y + @k"), ("z + @k", "@k + z"), ("f x =", "x =")],
    ),
    (
        "∀ (α : Type _) (xs : List α), (match xs with | [] => @k | _ => @k) = @k",
        "intro α xs; cases xs <;> rfl",
        [("Type _", "Type"), ("| [] => @k", "| [] => 66"), ("List α)", "List (List α))")],
    ),
    (
        "∀ n : Nat, n.rec (motive := fun _ => Nat) @k (fun _ r => let s := r; s) = @k",
        "intro n; induction n with | zero => rfl | succ _ ih => exact ih",
        [("=> let s := r; s", "=> r"), ("r; s", "r; r"), ("Nat) @k", "Nat) (0 + @k)")],
    ),
]


def _filled(text: str, number: int, type_: str) -> str:
    return text.replace("@k", str(number)).replace("@T", type_)


def _statements() -> list[Statement]:
    made: dict[str, Statement] = {}
    for (text, proof, changes), number, type_ in product(_SHAPES, (2, 3, 4, 5, 6), ("Nat", "Int")):
        others = [text.replace(old, new, 1) for old, new in changes]
        # The number is one thing that may differ, and the type is another.
        fills = [_filled(other, number, type_) for other in others]
        fills += [_filled(text, 7, type_)] if "@k" in text else []
        fills += [_filled(text, number, "UInt8")] if "@T" in text else []
        statement = _filled(text, number, type_)
        made[statement] = Statement(statement, _filled(proof, number, type_), tuple(fills))
    return list(made.values())


STATEMENTS = _statements()
