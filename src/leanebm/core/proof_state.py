"""A proof state: the open goals, and what a proof environment needs to find it again."""

from __future__ import annotations

import attrs

from leanebm._shown import fitting_repr


@attrs.frozen
class Hypothesis:
    """One local variable, as Lean prints it."""

    name: str
    """Its user-facing name; an inaccessible one carries a dagger (``h✝``)."""

    type: str
    """Its type, pretty-printed."""

    value: str | None = None
    """Its body, for a ``let`` variable only."""

    is_inaccessible: bool = False
    """Whether a tactic cannot refer to it by name."""

    __repr__ = fitting_repr


@attrs.frozen
class Goal:
    """One goal of a proof state."""

    text: str
    """The goal exactly as Lean's own ``ppGoal`` prints it."""

    target: str
    """What is to be shown, pretty-printed."""

    hypotheses: tuple[Hypothesis, ...] = ()
    """The local context, in its order."""

    case_name: str | None = None
    """The tag a tactic like ``case inl`` refers to."""

    __repr__ = fitting_repr

    def __str__(self) -> str:
        return self.text


@attrs.frozen
class StateRef:
    """Where a proof state lives; opaque to search, scorers and policies.

    A state id means something only inside the process that gave it. ``epoch`` names that process:
    it is different after every restart, so that a stale reference is refused instead of silently
    addressing another state.
    """

    epoch: int
    state_id: int


@attrs.frozen
class ProofState:
    """An immutable snapshot of a proof attempt; tactics make new states and leave this one alone."""

    goals: tuple[Goal, ...]
    """The open goals, the one that the next tactic acts on first."""

    key: str
    """Equal for states that differ only in names of bound and inaccessible variables.

    A structural hash computed by Lean, so a heuristic for merging: sound to rely on for search
    (two different states that collide cost a branch, never a wrong proof), not for certification.
    """

    ref: StateRef = attrs.field(eq=False)
    """Where the environment that made this state keeps it."""

    coupling: tuple[int, ...] = attrs.field(
        default=attrs.Factory(lambda state: (0,) * len(state.goals), takes_self=True), eq=False
    )
    """One number per goal, equal for goals that share metavariables, directly or through others.

    Goals with different numbers can be proved apart, in any order. Solving one of several with the same number may
    settle another, or make it unprovable. Goals that nobody has looked at all count as coupled.

    Raises:
        ValueError: there are more numbers, or fewer, than goals.
    """

    __repr__ = fitting_repr

    @coupling.validator
    def _one_per_goal(self, _: object, coupling: tuple[int, ...]) -> None:
        if len(coupling) != len(self.goals):
            raise ValueError(f"{len(coupling)} coupling numbers for {len(self.goals)} goals")

    def check_goal(self, goal: int) -> None:
        """Check that there is a goal with that number.

        Raises:
            ValueError: there is none.
        """
        if not 0 <= goal < len(self.goals):
            raise ValueError(f"there is no goal {goal}: the state has {len(self.goals)}, counted from 0")

    def only(self, start: int, stop: int) -> ProofState:
        """This state as if its goals from ``start`` up to ``stop`` were all: what to show a policy or an energy model.

        Its key is its own, so that nobody takes it for the whole. Tactics run on the whole state.
        """
        if (start, stop) == (0, len(self.goals)):
            return self
        goals, coupling = self.goals[start:stop], self.coupling[start:stop]
        return attrs.evolve(self, goals=goals, coupling=coupling, key=f"{self.key}[{start}:{stop}]")

    @property
    def is_solved(self) -> bool:
        """Whether no goal is left. The proof counts only once it is certified."""
        return not self.goals

    @property
    def text(self) -> str:
        """All goals as Lean prints them, separated by blank lines."""
        return "\n\n".join(goal.text for goal in self.goals)

    def __str__(self) -> str:
        return self.text or "no goals"
