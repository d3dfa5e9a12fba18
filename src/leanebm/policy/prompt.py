"""How a proof state becomes a prompt, and a completion a tactic."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, Protocol, final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Goal, ProofState

_DECLARATION: Final = re.compile(r"(theorem|lemma|example|def|import|open|set_option|noncomputable|variable)\b")

_OPENING: Final = "([{⟨"

_CLOSING: Final = ")]}⟩"

_CONTINUING: Final = ("|", "<;>", ")", "]", "}", "⟩")

"""What may start a line at the tactic's own indentation and still belong to it."""


@attrs.frozen
class TacticBlock:
    """A tactic and where it ends in the completion it was cut from."""

    tactic: str
    """One tactic, perhaps of several lines, with its first line at column 0."""

    end: int
    """Offset just after it; less than the completion's length if something was cut off."""

    __repr__ = fitting_repr


@attrs.frozen
class _Line:
    start: int
    text: str

    @property
    def indent(self) -> int:
        return len(self.text) - len(self.text.lstrip(" "))

    @property
    def content(self) -> str:
        return self.text.strip()


def first_tactic_block(completion: str, *, first_line_indent: int = 0) -> TacticBlock | None:
    """The first tactic of a completion, or ``None``.

    Fences, comments and the header of a declaration in front of it are skipped, because a model
    that was not fine-tuned likes to restate the theorem. A tactic goes on over lines that are
    indented deeper, that start with ``|`` or ``<;>``, or that stand inside an open bracket.

    Args:
        completion: what the model wrote.
        first_line_indent: columns that the prompt has already put before the first line.
    """
    lines = _skip_preamble(list(_lines(completion)))
    if not lines:
        return None
    first = lines[0]
    base = first.indent + (first_line_indent if first.start == 0 else 0)
    kept = [first]
    depth = _bracket_balance(first.content)
    for line in lines[1:]:
        belongs = line.indent > base or (line.indent == base and line.content.startswith(_CONTINUING))
        if not line.content or line.content.startswith("```") or not (belongs or depth > 0):
            break
        kept.append(line)
        depth += _bracket_balance(line.content)
    head = first.content.partition("```")[0].rstrip()
    texts = [head, *(line.text[min(base, line.indent) :].rstrip() for line in kept[1:])]
    last = kept[-1]
    end = last.start + len(last.text) if len(kept) > 1 else first.start + first.indent + len(head)
    return TacticBlock("\n".join(texts), end) if head else None


def _lines(text: str) -> Iterator[_Line]:
    start = 0
    for line in text.split("\n"):
        yield _Line(start, line)
        start += len(line) + 1


def _skip_preamble(lines: list[_Line]) -> list[_Line]:
    index = 0
    while index < len(lines):
        content = lines[index].content
        if not content or content.startswith(("```", "--")) or content == "by":
            index += 1
        elif content.startswith("/-"):
            index = _line_after(lines, index, "-/")
        elif _DECLARATION.match(content) and any(line.content.endswith(":= by") for line in lines[index:]):
            index = _line_after(lines, index, ":= by")
        else:
            break
    return lines[index:]


def _line_after(lines: list[_Line], index: int, ending: str) -> int:
    while index < len(lines) and not lines[index].content.endswith(ending):
        index += 1
    return index + 1


def _bracket_balance(text: str) -> int:
    return sum((char in _OPENING) - (char in _CLOSING) for char in text)


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

    __repr__ = fitting_repr

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

    __repr__ = fitting_repr

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
