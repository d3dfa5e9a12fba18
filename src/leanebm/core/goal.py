"""A goal: hypotheses above the turnstile, a target below it."""

from __future__ import annotations

import attrs

__all__ = ["Goal", "Hypothesis"]


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

    def __str__(self) -> str:
        return self.text
