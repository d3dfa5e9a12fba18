import Before

/-! A library theorem, `twice_eq`, and what its own module declares besides: some of it rests on the theorem. -/

@[simp] theorem twice_eq (n : Nat) : twice n = n + n := by
  unfold twice
  omega

theorem alone (n : Nat) : twice n + n = 3 * n := by
  unfold twice
  omega

theorem rests_on_it (n : Nat) : twice n + n = 3 * n := by
  rw [twice_eq]
  omega

theorem rests_on_it_deep_down (n : Nat) : twice n + n = 3 * n ∧ True := ⟨rests_on_it n, trivial⟩

theorem by_what_simp_made_of_it (n : Nat) (h : twice n = 2) : n = 1 := by
  simp at h
  omega

private theorem kept_to_itself (n : Nat) : twice n + n = 3 * n := by
  unfold twice
  omega

theorem by_a_private_one (n : Nat) : twice n + n = 3 * n := kept_to_itself n
