/-! Theorems that need what stands before them. -/

/-- How many leaves. -/
inductive Tree where
  | leaf
  | node (left right : Tree)

namespace Tree

def leaves : Tree → Nat
  | leaf => 1
  | node l r => l.leaves + r.leaves

/-- Proved, so that later proofs may use it. -/
theorem leaves_leaf : leaf.leaves = 1 := rfl

-- theorem not_this_one : False := sorry

@[simp]
theorem leaves_pos (t : Tree) : 0 < t.leaves := by
  sorry

theorem leaves_node (l r : Tree) :
    (node l r).leaves = l.leaves + r.leaves := by
  have h : "sorry" = "sorry" := rfl
  sorry

end Tree

section
variable (n : Nat)

open Nat in
theorem succ_twice : succ (succ n) = n + 2 := sorry

example (h : n = 0) : n + n = 0 := by
  subst h
  rfl

example (h : n = 0) : n * n = 0 := sorry
end
