"""Makes a proof state that is too long shorter, and says so.

What is left out first is what has least to do with the goal. A hypothesis is *near* a target if it
shares a local name with it, the less near the more steps that takes: in ``h : a = b, g : b < c ⊢ a = 0``
``h`` is one step away and ``g`` two. That Lean declares ``a b c : Nat`` on one line brings them no nearer.
Kept are the nearest, in the order in which Lean printed them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import attrs

from leanebm.core import Goal, ProofState

_GOAL_BREAK: Final = "\n\n"
_TURNSTILES: Final = ("⊢ ", "| ")
_NAME: Final = re.compile(r"[^\W\d][\w'✝¹²³⁴⁵⁶⁷⁸⁹⁰]*")
_MARKER: Final = re.compile(r"… (\d+) hypothes[ie]s left out")
_FAR: Final = 10**9


def truncate_state(state: ProofState, max_chars: int) -> ProofState:
    """``state`` with a text of at most ``max_chars`` characters; ``state`` itself if it has one already.

    What is left out of a goal's text is left out of its hypotheses, too; where goals are left out, the last that is
    shown says how many. For showing only: a tactic still runs on the whole state.
    """
    if len(state.text) <= max_chars:
        return state
    texts = _truncated([goal.text for goal in state.goals], max_chars)
    goals = tuple(map(_shown, state.goals, texts))
    return attrs.evolve(state, goals=goals, coupling=state.coupling[: len(goals)])


def truncate_text(text: str, max_chars: int) -> str:
    """A printed proof state in at most ``max_chars`` characters; ``text`` itself if it is short enough.

    In each goal, the hypotheses farthest from its target give way to a line ``… 12 hypotheses left out``.
    Where not even the targets have room, the last goals give way to ``… 3 goals left out``, and where the
    first target alone has none, its end to ``… 500 characters left out``.

    Args:
        text: goals as Lean prints them, separated by blank lines. Any other text only loses its end.
        max_chars: at least 64.
    """
    if len(text) <= max_chars:
        return text
    return _GOAL_BREAK.join(_truncated(text.split(_GOAL_BREAK), max_chars))


@attrs.define
class _Line:
    """A declaration with the indented lines that continue it."""

    text: str
    declared: frozenset[str] = frozenset()
    mentioned: frozenset[str] = frozenset()
    num_hypotheses: int = 0
    """How many it declares, or stands for; 0 for a line that always stays."""

    is_kept: bool = False
    """Whether it is shown."""


@attrs.define
class _Sketch:
    """One goal taken apart."""

    head: list[_Line]
    hypotheses: list[_Line]
    target: str

    @classmethod
    def of(cls, text: str) -> _Sketch:
        blocks = _blocks(text)
        at = next((i for i, block in enumerate(blocks) if block.startswith(_TURNSTILES)), 0)
        lines = [_line(block) for block in blocks[:at]]
        return cls(
            [line for line in lines if not line.num_hypotheses],
            [line for line in lines if line.num_hypotheses],
            "\n".join(blocks[at:]),
        )

    @property
    def marker(self) -> str:
        count = sum(line.num_hypotheses for line in self.hypotheses if not line.is_kept)
        return _left_out(count, "hypothesis", "hypotheses") if count else ""

    def render(self) -> str:
        kept = [line.text for line in self.hypotheses if line.is_kept]
        marker = [self.marker] if self.marker else []
        return "\n".join([*(line.text for line in self.head), *marker, *kept, self.target])

    def nearest(self) -> list[_Line]:
        """Its hypotheses, those to keep first before the others; of equally near ones the last first."""
        distances = _distances(self.hypotheses, self.target)
        order = sorted(range(len(distances)), key=lambda i: (distances[i], -i))
        return [self.hypotheses[i] for i in order if self.hypotheses[i].declared]

    def keep_nearest(self, room: int) -> int:
        """Keep hypotheses while there is room, in characters; returns what is left of it."""
        unshown = len(self.hypotheses)
        marker = len(self.marker) + 1
        for line in self.nearest():
            cost = len(line.text) + 1 - (marker if unshown == 1 else 0)
            if cost <= room:
                line.is_kept = True
                room -= cost
                unshown -= 1
        return room


def _truncated(goals: Sequence[str], max_chars: int) -> list[str]:
    sketches = [_Sketch.of(goal) for goal in goals]
    rendered = [sketch.render() for sketch in sketches]
    room = max_chars - _size(rendered)
    if room < 0:
        return _without_goals(rendered, max_chars)
    for sketch in sketches:
        room = sketch.keep_nearest(room)
    return [sketch.render() for sketch in sketches]


def _without_goals(goals: Sequence[str], max_chars: int) -> list[str]:
    """As many goals, from the first, as there is room for; of the first as much as there is."""
    for count in range(len(goals) - 1, 0, -1):
        shown = [*goals[:count], _left_out(len(goals) - count, "goal", "goals")]
        if _size(shown) <= max_chars:
            return shown
    more = [_left_out(len(goals) - 1, "goal", "goals")] if len(goals) > 1 else []
    note = _left_out(len(goals[0]), "character", "characters")
    end = max_chars - _size([*more, ""]) - len(note) - 1
    note = _left_out(len(goals[0]) - end, "character", "characters")
    return [f"{goals[0][:end]}\n{note}", *more]


def _size(goals: Sequence[str]) -> int:
    return len(_GOAL_BREAK.join(goals))


def _left_out(count: int, one: str, many: str) -> str:
    return f"… {count} {one if count == 1 else many} left out"


def _shown(goal: Goal, text: str) -> Goal:
    whole, shown = _Sketch.of(goal.text), _Sketch.of(text)
    kept = {name for line in shown.hypotheses for name in line.declared}
    return attrs.evolve(
        goal,
        text=text,
        target=goal.target if shown.target == whole.target else shown.target,
        hypotheses=tuple(hypothesis for hypothesis in goal.hypotheses if hypothesis.name in kept),
    )


# --- reading --------------------------------------------------------------------------------------


def _blocks(text: str) -> list[str]:
    """Lines, each with the indented lines that continue it."""
    blocks: list[str] = []
    for line in text.split("\n"):
        if blocks and line.startswith((" ", "\t")):
            blocks[-1] += f"\n{line}"
        else:
            blocks.append(line)
    return blocks


def _line(block: str) -> _Line:
    if (marker := _MARKER.fullmatch(block)) is not None:
        return _Line(block, num_hypotheses=int(marker[1]))
    names, colon, rest = block.partition(" :")
    if not colon or names.startswith("case "):
        return _Line(block)
    declared = names.split()
    return _Line(block, frozenset(declared), frozenset(_NAME.findall(rest)), max(1, len(declared)))


def _distances(hypotheses: Sequence[_Line], target: str) -> list[int]:
    """Steps from the target to each hypothesis, over local names that they share."""
    local = frozenset(name for line in hypotheses for name in line.declared)
    mentioned = [line.mentioned & local for line in hypotheses]
    holders = _holders(line.declared | names for line, names in zip(hypotheses, mentioned, strict=True))
    own = [line.declared if len(line.declared) == 1 else frozenset[str]() for line in hypotheses]
    distances = [_FAR] * len(hypotheses)
    reached: set[str] = set()
    frontier = local.intersection(_NAME.findall(target))
    step = 0
    while frontier:
        step += 1
        reached |= frontier
        found = {i for name in frontier for i in holders[name] if distances[i] == _FAR}
        for i in found:
            distances[i] = step
        frontier = frozenset(name for i in found for name in mentioned[i] | own[i]) - reached
    return distances


def _holders(names: Iterable[frozenset[str]]) -> dict[str, list[int]]:
    holders: dict[str, list[int]] = {}
    for i, held in enumerate(names):
        for name in held:
            holders.setdefault(name, []).append(i)
    return holders
