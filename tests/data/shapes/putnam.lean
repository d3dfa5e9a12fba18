import Mathlib

open Filter Topology

abbrev made_up_a1_solution : ℝ := sorry
-- 2
/--
Find it.
-/
theorem made_up_a1 : made_up_a1_solution = 1 + 1 :=
sorry
