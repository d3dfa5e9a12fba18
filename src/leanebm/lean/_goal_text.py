"""Goals as text, for workers that do not send Lean's own: rendering, reading back, and a stand-in key.

Our REPL sends each goal as Lean prints it, and a structural key for the state. The real Pantograph
sends the parts only, some servers the text only. What is made here comes close: Lean groups variables
whose types are the same expression, we those whose types print the same; Lean breaks lines knowing the
whole line, we know only how the type alone was broken.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from leanebm.core.proof_state import Goal, Hypothesis

_LINE_WIDTH = 120
_INDENT = "  "
_TURNSTILES = ("⊢ ", "| ")
_INACCESSIBLE = "✝"
# Looked for from the start of a word only, and never backwards: a numeral of a hundred thousand digits is one word.
_VOLATILE_NAME = re.compile(
    r"(?<![^\s()\[\]{}⟨⟩,:])[^\s()\[\]{}⟨⟩,:✝]++✝(?:[^\s()\[\]{}⟨⟩,:✝]*+✝)*+[¹²³⁴⁵⁶⁷⁸⁹⁰]*"
    r"|\?[\w.✝]+|_uniq\.\d+"
)
_OPENING, _CLOSING = "([{⟨⦃", ")]}⟩⦄"


def render_goal(
    hypotheses: Sequence[Hypothesis], target: str, *, case_name: str | None = None, is_conversion: bool = False
) -> str:
    """The goal laid out like Lean's ``ppGoal``."""
    lines = [] if case_name is None else [f"case {case_name}"]
    # A let-variable stands alone: its own index makes its group unlike any other.
    keyed = ((i if h.value is not None else -1, h.type, h) for i, h in enumerate(hypotheses))
    for _, group in groupby(keyed, key=lambda item: item[:2]):
        lines.append(_declaration([hypothesis for *_, hypothesis in group]))
    turnstile = "| " if is_conversion else "⊢ "
    return "\n".join([*lines, turnstile + _nested(target)])


def parse_goal_text(text: str) -> Goal:
    """Read a goal that was sent as text only.

    A type that holds a ``:=`` of its own outside brackets is taken for a let-variable's.

    Raises:
        ValueError: no line starts with a turnstile.
    """
    case_name: str | None = None
    hypotheses: list[Hypothesis] = []
    blocks = _blocks(text)
    target = next((block for block in blocks if block.startswith(_TURNSTILES)), None)
    if target is None:
        raise ValueError(f"a goal without ⊢: {text!r}")
    for block in blocks[: blocks.index(target)]:
        if block.startswith("case ") and not hypotheses and " :" not in block:
            case_name = block.removeprefix("case ").strip()
        else:
            hypotheses += _parse_declaration(block)
    return Goal(text=text, target=_unnested(target[2:]), hypotheses=tuple(hypotheses), case_name=case_name or None)


def text_key(goals: Iterable[Goal]) -> str:
    """A stand-in for Lean's state key: a hash of the printed goals.

    Inaccessible names and metavariables are numbered by first appearance; bound names are taken as
    printed, so that fewer equal states are found equal than by Lean's own key.
    """
    numbers: dict[str, str] = {}
    text = "\n\n".join(goal.text for goal in goals)
    canonical = _VOLATILE_NAME.sub(lambda match: numbers.setdefault(match[0], f"✝{len(numbers)}"), text)
    return f"text.{hashlib.sha256(canonical.encode()).hexdigest()[:32]}"


def without_macro_scopes(name: str) -> str:
    """The part of a hygienic name that Lean shows: ``h._@.Init.Core._hyg.12`` is ``h``."""
    return name.split("._@", 1)[0]


def _declaration(group: Sequence[Hypothesis]) -> str:
    first = group[0]
    head = f"{' '.join(hypothesis.name for hypothesis in group)} :"
    type_ = _placed(head, first.type)
    return type_ if first.value is None else _placed(f"{type_} :=", first.value)


def _placed(head: str, text: str) -> str:
    """``text`` after ``head``, or indented below it where it does not fit on the line."""
    last_line = head.rpartition("\n")[2]
    fits = "\n" not in text and len(last_line) + 1 + len(text) <= _LINE_WIDTH
    return f"{head} {text}" if fits else f"{head}\n{_INDENT}{_nested(text)}"


def _nested(text: str) -> str:
    return text.replace("\n", f"\n{_INDENT}")


def _unnested(text: str) -> str:
    return text.replace(f"\n{_INDENT}", "\n")


def _blocks(text: str) -> list[str]:
    """Lines, each with the indented lines that continue it."""
    blocks: list[str] = []
    for line in text.split("\n"):
        if blocks and (line.startswith(_INDENT) or not line.strip()):
            blocks[-1] += f"\n{line}"
        elif line.strip():
            blocks.append(line)
    return blocks


def _parse_declaration(block: str) -> list[Hypothesis]:
    names, colon, rest = _unnested(block).partition(" :")
    if not colon:
        raise ValueError(f"a hypothesis without a type: {block!r}")
    at = _assignment(rest)
    type_, value = (rest, None) if at is None else (rest[:at], rest[at + 3 :].strip())
    return [Hypothesis(name, type_.strip(), value, _INACCESSIBLE in name) for name in names.split()]


def _assignment(text: str) -> int | None:
    """Where `` :=`` stands outside all brackets."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in _OPENING) - (character in _CLOSING)
        if depth == 0 and text.startswith(" :=", at):
            return at
    return None
