/-
Theorems about programs, with all that may stand before a theorem. Every theorem left as sorry can be stated.
-/
import Init

set_option autoImplicit false

universe u v

open Nat List

/-- A stack, which is a list. -/
structure Stack (α : Type u) where
  items : List α
deriving Repr, DecidableEq

namespace Stack

variable {α : Type u} (s : Stack α)

def empty : Stack α := ⟨[]⟩

def push (a : α) : Stack α := ⟨a :: s.items⟩

def pop? : Option (α × Stack α) :=
  match s.items with
  | [] => none
  | a :: rest => some (a, ⟨rest⟩)

@[simp] theorem items_push (a : α) : (s.push a).items = a :: s.items := rfl

theorem pop_push (a : α) : (s.push a).pop? = some (a, s) := by
  sorry

/-- An aside. -/
protected theorem length_push (a : α) :
    (s.push a).items.length = s.items.length + 1 := by simp

theorem by_another (a : α) : (s.push a).pop? ≠ none := by
  rw [pop_push]; exact Option.some_ne_none _

example : (empty.push 3 : Stack Nat).items = [3] := rfl

#check @pop_push
#eval (empty.push 3 : Stack Nat)

end Stack

class Shape (σ : Type v) where
  area : σ → Nat
  scaled : σ → Nat → σ

infixl:70 " ⊙ " => Shape.scaled

instance : Shape Nat where
  area n := n * n
  scaled n k := n * k

theorem area_scaled (n k : Nat) : Shape.area (n ⊙ k) = k * k * Shape.area n :=
  sorry

section
set_option linter.unusedVariables false
variable (p q : Prop)

theorem keep (hp : p) (hq : q) : (q ∧ p) ∧ q := by sorry

example [Decidable p] : (if p then 1 else 2) ≤ 2 := by
  sorry

end

mutual
def isEven : Nat → Bool
  | 0 => true
  | n + 1 => isOdd n
def isOdd : Nat → Bool
  | 0 => false
  | n + 1 => isEven n
end

private theorem even_or_odd (n : Nat) : isEven n || isOdd n := by
  induction n with
  | zero => sorry
  | succ n ih => sorry

noncomputable section

def chosen (h : ∃ n : Nat, 3 < n) : Nat := Classical.choose h

theorem three_lt_chosen (h : ∃ n : Nat, 3 < n) : 3 < chosen h := sorry

end

set_option maxRecDepth 2000 in
open Stack in
theorem pop_empty : (empty : Stack Nat).pop? = none := by sorry

inductive Steps : Nat → Nat → Prop
  | rest (n : Nat) : Steps n n
  | step {m n : Nat} : Steps m n → Steps m (n + 1)

local notation m " ⟶ " n => Steps m n

theorem Steps.le : ∀ {m n : Nat}, (m ⟶ n) → m ≤ n := @fun
  | _, _, .rest n => sorry
  | _, _, .step h => sorry
