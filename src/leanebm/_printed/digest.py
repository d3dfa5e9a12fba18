"""A goal in a few words: the shape of all that is in it, and what is said twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from leanebm._printed.expression import Expression
from leanebm._printed.goal import Variable, parse_goal

_CONNECTIVES: Final = frozenset("∧∨↔→∀∃¬=≠")
_TAKEN_APART: Final = frozenset("∧∨↔¬")
_TYPES: Final = frozenset({"Prop", "Type", "Sort", "→"})
_TARGET: Final = "⊢"
_NOBODY: Final = "_"


def digest(goal: str) -> str:
    r"""Say of what shape everything in a goal is, and which hypothesis says what: a line for each, the target's last.

    Made for small models, which read formulas symbol by symbol, and find neither the outermost connective nor the
    hypothesis that says the same as another place does. A line holds

    - a name, or ``⊢`` for the target;
    - the outermost connective of what it says, and the next one where that is ``∀``;
    - for each part, the name of the hypothesis that says it, or ``_``. The parts of an implication are all that it
      assumes, and what it concludes in the end; of the target, only what it assumes;
    - in place of a part's name ``⊢``, if the target says it, and ``⊢`` alone, if the hypothesis says what the target
      says, or a ``∀`` concludes it.

    Variables have their names alone; types, predicates and what a tactic cannot name are left out.

    >>> print(digest("p q r : Prop\nh : p → q → r\nh1 : p\nh2 : q ∧ r\n⊢ r ∨ p"))
    h → h1 _ _
    h1
    h2 ∧ _ _
    ⊢ ∨ _ h1

    Args:
        goal: as Lean prints it.

    Raises:
        ValueError: there is no turnstile.
    """
    read = parse_goal(goal)
    sayers = {hypothesis.type: hypothesis.name for hypothesis in read.hypotheses}
    others = {**sayers, read.target: _TARGET}
    lines = [
        _about(variable, read.target, sayers, others) if variable.is_proposition else [variable.name]
        for variable in read.variables
        if variable.is_proposition or variable.type.head not in _TYPES
    ]
    assumed, said = _parts(read.target)
    found = (sayers.get(part, _NOBODY) for part in assumed or said)
    lines.append([_TARGET, *_connectives(read.target), *found])
    return "\n".join(map(" ".join, lines))


def _about(
    hypothesis: Variable, target: Expression, sayers: Mapping[Expression, str], others: Mapping[Expression, str]
) -> list[str]:
    """The words of a hypothesis' line; ``others`` are the ``sayers``, and the target."""
    type_ = hypothesis.type
    words = [hypothesis.name, *_connectives(type_)]
    if type_ == target or (type_.head == "∀" and type_.conclusion == target):
        return [*words, _TARGET]
    assumed, said = _parts(type_)
    found = [*map(sayers.get, assumed), *map(others.get, said)]
    return [*words, *(_NOBODY if name in (None, hypothesis.name) else name for name in found)]


def _connectives(type_: Expression) -> list[str]:
    """The outermost one, and the next where that is ``∀``."""
    own = [type_.head] if type_.args and type_.head in _CONNECTIVES else []
    return own + _connectives(type_.args[-1])[:1] if own == ["∀"] else own


def _parts(type_: Expression) -> tuple[list[Expression], list[Expression]]:
    """What an implication assumes, and what a formula says, part by part."""
    assumed = []
    while type_.head == "→" and type_.args:
        assumed.append(type_.args[0])
        type_ = type_.args[1]
    if assumed:
        return assumed, [type_]
    return [], list(type_.args) if type_.head in _TAKEN_APART else []
