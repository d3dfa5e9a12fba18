"""The goal that a prompt shows, read back from Lean's own print of it."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from functools import cached_property
from itertools import chain, count
from typing import Final

import attrs

from leanebm._printed.expression import Expression
from leanebm._printed.expression_parser import parse_expression

_STATE_OPENING: Final = re.compile(r"/-\s*tactic state:[ \t]*\n?", re.IGNORECASE)

_HYPOTHESIS: Final = re.compile(r"^(\S.*?) : (.*)$", re.DOTALL)
_PROPOSITION_HEADS: Final = frozenset(
    {
        "∀", "∃", "∃!", "¬", "∧", "∨", "↔", "=", "≠", "<", "≤", ">", "≥", "∣", "∈", "∉", "⊆", "<+", "<+:",
        "~", "≍", "True", "False", "Iff", "And", "Or", "Not", "Eq", "Ne", "Exists",
    }
)  # fmt: skip


@attrs.frozen
class Variable:
    """One of the names in a line above the turnstile."""

    name: str
    type: Expression
    is_proposition: bool
    """Whether it is a hypothesis one can apply, rather than data one can split."""


@attrs.frozen(slots=False)  # cached_property needs a dict
class PrintedGoal:
    """A local context and a target."""

    variables: tuple[Variable, ...]
    """Accessible ones only: a name with a dagger cannot be written in a tactic."""

    target: Expression
    taken_names: frozenset[str]
    """Every name in sight, inaccessible ones included."""

    @cached_property
    def hypotheses(self) -> tuple[Variable, ...]:
        """The proofs in the context, the newest last."""
        return tuple(v for v in self.variables if v.is_proposition)

    @cached_property
    def data(self) -> tuple[Variable, ...]:
        """The variables that are not proofs."""
        return tuple(v for v in self.variables if not v.is_proposition)

    @cached_property
    def target_heads(self) -> frozenset[str]:
        """Every head that occurs in the target."""
        return self.target.heads()

    @cached_property
    def heads(self) -> frozenset[str]:
        """Every head that occurs in the target or a hypothesis."""
        types = {id(v.type): v.type for v in self.hypotheses}  # `a b c : T` share one
        return self.target_heads.union(*(type_.heads() for type_ in types.values()))

    @cached_property
    def is_nonlinear(self) -> bool:
        """Whether some product has no numeral as a factor, or some power none as its exponent."""
        return any(
            (node.head == "*" and not any(arg.head.isdigit() for arg in node.args))
            or (node.head == "^" and not node.args[-1].head.isdigit())
            for root in (self.target, *(hypothesis.type for hypothesis in self.hypotheses))
            for node in root.walk()
        )

    def of_type(self, head: str) -> tuple[Variable, ...]:
        """The data whose type has this head: ``Nat``, ``List`` and the like."""
        return tuple(v for v in self.data if v.type.head == head)

    def fresh(self, wanted: str, also_taken: AbstractSet[str] = frozenset()) -> str:
        """``wanted``, or the first of ``wanted1``, ``wanted2`` … that is not in use."""
        base = wanted.rstrip("✝0123456789") or "x"
        numbered = (f"{base}{number}" for number in count(self._first_free(base)))
        return next(
            name
            for name in chain((wanted, base), numbered)
            if name not in self.taken_names and name not in also_taken and "✝" not in name
        )

    def _first_free(self, base: str) -> int:
        """The least number from 1 on that makes ``base`` a new name; found once, for some goals hold thousands."""
        number = self._numbers.get(base, 1)
        while f"{base}{number}" in self.taken_names:
            number += 1
        self._numbers[base] = number
        return number

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {}


def find_state(prompt: str) -> str | None:
    """The proof state in a prompt: its last ``/- tactic state: … -/``, or all of it if it is bare."""
    state = prompt if "⊢" in prompt else None
    end = 0
    while (opening := _STATE_OPENING.search(prompt, end)) and (closing := prompt.find("-/", opening.end())) >= 0:
        state, end = prompt[opening.end() : closing], closing + len("-/")
    return state.strip("\n") if state is not None else None


def parse_goal(state: str) -> PrintedGoal:
    """Read the first goal of a printed state.

    Raises:
        ValueError: there is no turnstile.
    """
    first = re.split(r"\n\s*\n", state.strip("\n"))[0]
    entries = _entries(first)
    targets = [entry[1:].strip() for entry in entries if entry.startswith("⊢")]
    if not targets:
        raise ValueError("the tactic state shows no goal: it has no line that starts with ⊢")
    lines = [entry for entry in entries if not entry.startswith(("⊢", "case "))]
    return _build(lines, targets[0])


def _entries(text: str) -> list[str]:
    """Join continuation lines, which Lean indents, to the line they continue."""
    lines = text.splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    entries: list[list[str]] = []
    for line in lines:
        if line[margin:].startswith(" ") and entries:
            entries[-1].append(line.strip())
        else:
            entries.append([line.strip()])
    return [" ".join(entry) for entry in entries]


def _build(lines: list[str], target: str) -> PrintedGoal:
    declared: list[tuple[str, str]] = []
    for line in lines:
        if match := _HYPOTHESIS.match(line):
            type_text = match[2].split(" := ")[0]
            declared += [(name, type_text) for name in match[1].split()]
    names = frozenset(name for name, _ in declared)
    parsed = {text: parse_expression(text, names) for text in dict.fromkeys(text for _, text in declared)}
    propositions = frozenset(name for name, text in declared if text == "Prop")
    predicates = frozenset(name for name, text in declared if parsed[text].head in ("→", "∀") and text.endswith("Prop"))
    variables = tuple(
        Variable(name, parsed[text], _is_proposition(parsed[text], propositions, predicates))
        for name, text in declared
        if "✝" not in name
    )
    return PrintedGoal(variables, parse_expression(target, names), names)


def _is_proposition(type_: Expression, propositions: frozenset[str], predicates: frozenset[str]) -> bool:
    """Guess from its head whether a type is a proposition; only its universe would tell for sure."""
    match type_.head:
        case "→" | "∀":
            return _is_proposition(type_.args[-1], propositions, predicates)
        case head if type_.is_atom:
            return head in propositions or head in ("True", "False")
        case head:
            return head in _PROPOSITION_HEADS or head in predicates or head.split(".")[-1] in _PREDICATE_NAMES


_PREDICATE_NAMES: Final = frozenset(
    {
        "Nodup", "Pairwise", "Perm", "Sublist", "IsPrefix", "IsSuffix", "IsInfix", "Nonempty", "Forall",
        "Mem", "Even", "Odd", "Injective", "Surjective", "lt", "le", "Coprime", "Prime", "Acc",
        "WellFounded", "LT", "LE",
    }
)  # fmt: skip
