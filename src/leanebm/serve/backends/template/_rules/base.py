"""What a rule is: it looks at a goal and yields tactics, each with a weight.

Weights are relative and joint: a tactic of weight 4 is four times as likely at temperature 1 as
one of weight 1, whichever rules they come from. The scale, by habit:

====== =================================================================================
  8    the goal's shape asks for it (``intro`` on ``∀``, ``exact h`` where ``h`` is the target)
  4    automation that often closes such goals
  2    a natural step
  1    worth a try
  0.3  last resorts, for the tail
====== =================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import attrs

from leanebm._printed.goal import PrintedGoal
from leanebm._shown import fitting_repr


@attrs.frozen
class Rule:
    """One family of tactics with a common shape; a goal may give it many arguments or none."""

    name: str
    propose: Callable[[PrintedGoal], Iterable[tuple[str, float]]]
    """Yields (tactic, weight > 0)."""

    __repr__ = fitting_repr


@attrs.frozen
class Proposal:
    """What one rule proposes for one goal: its number and, for each argument, tactic and weight."""

    rule_id: int
    tactics: tuple[str, ...]
    weights: tuple[float, ...]

    __repr__ = fitting_repr


_MOST_VARIABLES = 64
"""Rules look at each variable, some at each pair of them; the newest are the likeliest to matter."""

WORD = re.compile(r"[^\W\d][\w.'?!]*")
"""A word of a tactic, as ``without`` means it."""


def propose_all(rules: Iterable[Rule], goal: PrintedGoal, *, without: frozenset[str] = frozenset()) -> list[Proposal]:
    """Ask every rule in turn; a tactic that two rules name belongs to the first.

    Tactics in whose text a word of ``without`` occurs are left out, and the rest share their weight.
    """
    goal = attrs.evolve(goal, variables=goal.variables[-_MOST_VARIABLES:])
    seen: set[str] = set()
    proposals: list[Proposal] = []
    for rule_id, rule in enumerate(rules):
        fresh: dict[str, float] = {}
        for tactic, weight in rule.propose(goal):
            if tactic not in seen and without.isdisjoint(WORD.findall(tactic)):
                seen.add(tactic)
                fresh[tactic] = weight
        if fresh:
            proposals.append(Proposal(rule_id, tuple(fresh), tuple(fresh.values())))
    return proposals
