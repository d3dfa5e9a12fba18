/-! What a library declares in a module before the theorem's own: nothing here can rest on it. -/

def twice (n : Nat) := 2 * n

/-- Says what the theorem does, turned round. -/
theorem turned_round (n : Nat) : n + n = twice n := by
  unfold twice
  omega

theorem twice_succ (n : Nat) : twice (n + 1) = twice n + 2 := rfl

/-- A law, and an instance of it that does not rest on the theorem, and says what that does. -/
class Doubles (f : Nat → Nat) : Prop where
  doubled : ∀ n, f n = n + n

instance : Doubles twice := ⟨fun n => (turned_round n).symm⟩
