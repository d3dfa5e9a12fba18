from __future__ import annotations

from leanebm.core import Goal, ProofState, StateRef


def test_some_of_its_goals_are_a_state_to_show_and_not_the_same_state() -> None:
    goals = tuple(Goal(text=f"⊢ {name}", target=name) for name in "abc")
    state = ProofState(goals=goals, key="k", ref=StateRef(1, 2), coupling=(0, 1, 1))
    part = state.only(1, 3)
    assert (part.goals, part.coupling, part.ref) == (goals[1:], (1, 1), state.ref)
    assert len({state.key, part.key, state.only(0, 1).key, state.only(1, 2).key}) == 4
    assert state.only(0, 3) is state
