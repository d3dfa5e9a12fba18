"""Definitions that Lean compiles, each with a theorem about it and a proof of that theorem."""

from __future__ import annotations

from typing import Final

DEFINITIONS: Final = {
    "instance": (
        "class M (α : Type) where op : α → α → α\ninstance : M Nat where op := (· + ·)",
        "M.op 1 2 = 3",
        "rfl",
    ),
    "function": ("def f := fun x => x + 1", "f 1 = 2", "rfl"),
    "closure": ("def g (xs : List Nat) := xs.map (· + 1)", "g [1] = [2]", "rfl"),
    "where": (
        "def f (n : Nat) : Nat := go n 0\nwhere go : Nat → Nat → Nat\n  | 0, a => a\n  | n + 1, a => go n (a + 1)",
        "f 2 = 2",
        "rfl",
    ),
    "recursion": ("def f : Nat → Nat\n  | 0 => 1\n  | n + 1 => 2 * f n", "f 3 = 8", "rfl"),
    "well-founded recursion": (
        "def f (n : Nat) : Nat := if n = 0 then 0 else f (n / 2) + 1\ndecreasing_by omega",
        "f 0 = 0",
        "simp [f]",
    ),
    "deriving": (
        "structure P where\n  x : Nat\n  y : List Nat\n  deriving DecidableEq, Repr, Inhabited, BEq, Hashable",
        "P.mk 1 [] ≠ P.mk 2 []",
        "decide",
    ),
    "monad": (
        """def S (α : Type) := Nat → α × Nat
instance : Monad S where
  pure a := fun s => (a, s)
  bind x f := fun s => let (a, t) := x s; f a t""",
        "(pure 3 : S Nat) 1 = (3, 1)",
        "rfl",
    ),
    "namespace": (
        """namespace A
class M (α : Type) where op : α → α → α
instance : M Nat where op := (· + ·)
section
def g (xs : List Nat) := xs.map (· + 1)
end
end A""",
        "A.M.op 1 2 = 3 ∧ A.g [1] = [2]",
        "exact ⟨rfl, rfl⟩",
    ),
    "noncomputable": (
        "noncomputable section\ndef f := fun x => x + 1\nend\nnoncomputable def c : Nat := Classical.choice ⟨1⟩",
        "f 1 = 2",
        "rfl",
    ),
}
