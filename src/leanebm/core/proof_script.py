r"""A proof as text that Lean reads: tactics one after the other, and bullets for goals that are proved separately."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import dedent
from typing import Final

import attrs

from leanebm._shown import fitting_repr

_BULLET: Final = "· "
_TURN: Final = "rotate_left"


def _as_children(children: Iterable[Iterable[str | ProofStep]]) -> tuple[tuple[str | ProofStep, ...], ...]:
    return tuple(tuple(child) for child in children)


@attrs.frozen
class ProofStep:
    r"""One tactic of a proof, and the proofs of goals that it leaves.

    A proof is a sequence of steps. Each step runs on the goals that are open when its turn comes; where it needs
    nothing but its tactic, the tactic's text alone will do. So a proof is a list of tactics, a tree, or anything
    between the two.

    >>> print(ProofStep("constructor", children=(["rfl"], ["intro h", "exact h"])).text)
    constructor
    · rfl
    · intro h
      exact h

    Goals that share metavariables (see :attr:`ProofState.coupling <leanebm.core.ProofState.coupling>`) are not
    proved apart, for solving one may settle another: further steps of the same sequence go on with them.

    >>> print(ProofStep("constructor", goal=1).text)
    rotate_left 1
    constructor

    Raises:
        ValueError: ``goal`` is negative, or a child has no step.
    """

    tactic: str
    """One tactic or several lines of them."""

    goal: int = attrs.field(default=0, validator=attrs.validators.ge(0))
    """Which of the open goals it runs on, counted from 0. Those behind it follow, and those before it come last."""

    children: tuple[tuple[str | ProofStep, ...], ...] = attrs.field(default=(), converter=_as_children)
    """Proofs of the first goals that are open after the tactic, one for each, in order. Each must close its goal.

    The last goal's proof may as well follow as further steps, which keeps long proofs flat.
    """

    __repr__ = fitting_repr

    def __attrs_post_init__(self) -> None:
        if not all(self.children):
            raise ValueError(f"a child of {self.tactic!r} has no step; a goal that is left open needs no child")

    @property
    def text(self) -> str:
        """The tactic and everything below it, as Lean reads it."""
        blocks = ["\n".join(map(_flush_left, tactic_blocks(child))) for child in self.children]
        return "\n".join([on_goal(self.goal, _flush_left(self.tactic)), *map(_bulleted, blocks)])


Proof = Sequence[str | ProofStep]
"""A proof: its steps in order. A plain text is a step that runs on the first open goal."""


def on_goal(goal: int, tactic: str) -> str:
    """``tactic`` as a block that runs on the open goal number ``goal``: the others follow behind it, in a ring."""
    return f"{_TURN} {goal}\n{_flush_left(tactic)}" if goal else tactic


def is_turned(tactic: str) -> bool:
    """Whether a text may be :func:`on_goal`'s for another goal than the first, which a policy saw otherwise."""
    return tactic.startswith(_TURN)


def tactic_blocks(proof: Proof) -> tuple[str, ...]:
    """The text of each step of ``proof``; run one after the other on the first goal, they are the same proof."""
    return tuple(step if isinstance(step, str) else step.text for step in proof)


def indented(text: str, prefix: str) -> str:
    """``text`` moved to the right by ``prefix``, however far it stood there already.

    Unlike :func:`textwrap.indent`, this goes by Lean's lines, which U+2028 in a string does not end.
    """
    return "\n".join(f"{prefix}{line}" if line else "" for line in _flush_left(text).split("\n"))


def _flush_left(text: str) -> str:
    return dedent(text).strip("\n").rstrip()


def _bulleted(block: str) -> str:
    """``block`` behind a bullet, which focuses on the first goal and fails unless the block closes it."""
    return _BULLET + indented(block, " " * len(_BULLET))[len(_BULLET) :]
