"""How a proof state becomes a prompt, and a completion a tactic."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol, final

import attrs

from leanebm.core import Goal, ProofState
from leanebm.policy._tactic_block import TacticBlock, first_tactic_block

__all__ = ["PROMPT_FORMATS", "PrefixFormat", "PromptFormat", "StateCommentFormat", "TacticBlock"]


class PromptFormat(Protocol):
    """A pair of inverse views: show a state, and read back the tactic that answers it."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts at which the server may end a completion."""
        ...

    def render(self, state: ProofState) -> str:
        """The prompt. It ends where the tactic is to start, so that no token straddles the seam."""
        ...

    def parse(self, completion: str) -> TacticBlock | None:
        """The first complete tactic of a completion; ``None`` if it holds none."""
        ...


_COMPLETION_STOPS: Final = ("\n```", "\n\n")
"""Not a single line break: a tactic may be a block of several lines."""


@final
@attrs.frozen
class StateCommentFormat:
    """An instruction and a fence that holds the state as a comment; the answer is one tactic.

    ::

        Give the next tactic for the following Lean 4 proof state.

        ```lean4
        /- tactic state:
        n : Nat
        ⊢ n + 0 = n
        -/
        ```

        ```lean4
        simp
    """

    stop: tuple[str, ...] = _COMPLETION_STOPS

    def render(self, state: ProofState) -> str:
        """Show all goals, the one to work on first."""
        comment = _state_comment(state, indent="")
        return f"Give the next tactic for the following Lean 4 proof state.\n\n```lean4\n{comment}\n```\n\n```lean4\n"

    def parse(self, completion: str) -> TacticBlock | None:
        """The first tactic, without fences, comments, or a declaration around it."""
        return first_tactic_block(completion)


@final
@attrs.frozen
class PrefixFormat:
    """An unfinished proof that the model continues: the goal as an ``example``, then the state.

    This is the form that whole-proof models were trained to complete, so it suits a model that
    was not fine-tuned on single tactics.
    """

    stop: tuple[str, ...] = _COMPLETION_STOPS

    def render(self, state: ProofState) -> str:
        """Show the first goal as a statement, and every goal as a comment below it."""
        statement = _as_example(state.goals[0]) if state.goals else "example : True := by"
        comment = _state_comment(state, indent="  ")
        return f"Complete the following Lean 4 code:\n\n```lean4\n{statement}\n{comment}\n  "

    def parse(self, completion: str) -> TacticBlock | None:
        """The first tactic; its first line stands at the proof's indentation of two."""
        return first_tactic_block(completion, first_line_indent=2)


PROMPT_FORMATS: Final[Mapping[str, PromptFormat]] = MappingProxyType(
    {"state_comment": StateCommentFormat(), "prefix": PrefixFormat()}
)
"""The formats that a configuration can name."""


def _state_comment(state: ProofState, *, indent: str) -> str:
    body = "".join(f"{indent}{line}\n" if line else "\n" for line in state.text.splitlines())
    return f"{indent}/- tactic state:\n{body}{indent}-/"


def _as_example(goal: Goal) -> str:
    binders = "".join(f" ({hypothesis.name} : {_one_line(hypothesis.type)})" for hypothesis in goal.hypotheses)
    return f"example{binders} :\n    {_one_line(goal.target)} := by"


def _one_line(text: str) -> str:
    return " ".join(text.split())
