"""Embeddings without a model: what a printed proof state is made of, hashed into a vector.

Every feature of a state (a token, a pair or triple of neighbouring tokens, a step down an expression
tree; on which side of the turnstile it stands) has a fixed pseudo-random vector with a few entries ±1,
derived from its text. The embedding is the mean of the vectors of the state's ``F`` features, as a
language model's is the mean over tokens, times ``√F``, without which a long state would have hardly
any signal; a few counts that a mean forgets follow. A local name is replaced by the head of its
type and a number, in the order in which names are declared: renaming a variable changes nothing, and two
variables of one type stay apart.

Where the first goal relates two sides, as ``=`` does, features say what one side has and the other lacks, and
counts how far the sides are apart: a bag of what stands on both together cannot tell how near they have come.

Nothing is learnt and nothing is drawn: a text has the same vector on every machine, for ever. It is the
hashing trick (Weinberger et al., 2009, https://arxiv.org/abs/0902.2206) with more than one entry per
feature, so that two features rarely share all of theirs.
"""

from __future__ import annotations

import hashlib
import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import islice, pairwise
from typing import Final

import attrs

from leanebm._printed.expression import Expression
from leanebm._printed.goal import PrintedGoal, parse_goal

DIM: Final = 384
"""Width of a vector."""

ENCODER_VERSION: Final = "hashed-3"
"""Counts up when the same text gets another vector: heads trained before do not fit it any more."""

_COUNTS: Final = 17
"""Eight sizes, and nine numbers that compare two sides."""

_HASHED: Final = DIM - _COUNTS
_ENTRIES: Final = 4
"""Non-zero entries of a feature's vector."""

_TOKEN: Final = re.compile(r"[^\W\d][\w.'✝]*|\d+|[^\w\s]+")
_GOAL_BREAK: Final = re.compile(r"\n\s*\n")
_LONGEST_KEPT: Final = 256
"""Characters of a feature that is looked up rather than derived again."""

_MAX_FEATURES: Final = 2**17
_MAX_GOALS: Final = 256
_MAX_TOKENS: Final = 4096
"""Longer states are described by their first tokens; a request must not cost seconds."""


def embed(text: str) -> tuple[array[float], int]:
    """The vector of a printed proof state, and how many tokens it has.

    It is finite and not zero, whatever the text.
    """
    tokens = _tokens(text)
    parts = _GOAL_BREAK.split(text.strip(), maxsplit=_MAX_GOALS)[:_MAX_GOALS]
    goals = [goal for part in parts if (goal := _read(part)) is not None]
    names = [_canonical_names(goal) for goal in goals]
    sides = _Sides.of(goals[0], names[0]) if goals else None
    features = Counter(islice(_features(tokens, goals, names), _MAX_FEATURES))
    features.update(sides.features() if sides else ())
    vector = [0.0] * _HASHED
    scale = 1.0 / math.sqrt(features.total())
    for feature, occurrences in features.items():
        for index, sign in _entries(feature):
            vector[index] += sign * occurrences * scale
    return array("f", [*vector, *_counts(tokens, goals), *(sides.counts() if sides else _NO_SIDES)]), len(tokens)


def _tokens(text: str) -> list[str]:
    return [match[0] for match in islice(_TOKEN.finditer(text), _MAX_TOKENS)]


def _read(goal: str) -> PrintedGoal | None:
    try:
        return parse_goal(goal)
    except ValueError:  # it shows no target
        return None


def _features(tokens: list[str], goals: list[PrintedGoal], all_names: Sequence[Mapping[str, str]]) -> Iterator[str]:
    yield "state"  # so that no vector is zero
    if not goals:
        yield from _grams("text", tokens)
    for position, (goal, names) in enumerate(zip(goals, all_names, strict=True)):
        side = "goal" if position == 0 else "later"
        yield from _grams(side, _renamed(goal.target.text, names))
        yield from _steps(side, goal.target, names)
        for hypothesis in goal.hypotheses:
            yield from _grams("given", _renamed(hypothesis.type.text, names))
        for variable in goal.data:
            yield f"data {names.get(variable.type.head, variable.type.head)}"


def _canonical_names(goal: PrintedGoal) -> dict[str, str]:
    """Each local name with the head of its type and its number among the names of that type, as ``‹Nat›2``."""
    names: dict[str, str] = {}
    declared: Counter[str] = Counter()
    for variable in goal.variables:
        head = names.get(variable.type.head, variable.type.head)  # in `h : p`, the head is a local name itself
        declared[head] += 1
        names[variable.name] = f"‹{head}›{declared[head]}"
    return names


def _renamed(text: str, names: Mapping[str, str]) -> list[str]:
    """The tokens, each local name (``xs``, or the one in ``xs.length``) replaced by its canonical one."""
    renamed = []
    for token in _tokens(text):
        name, dot, field = token.partition(".")
        renamed.append(f"{names.get(name, name)}{dot}{field}")
    return renamed


def _grams(side: str, tokens: list[str]) -> Iterator[str]:
    """Tokens one by one, in pairs and in triples."""
    padded = ["^", *tokens, "$"]
    yield from (f"{side} {token}" for token in tokens)
    yield from (f"{side} {a} {b}" for a, b in pairwise(padded))
    yield from (f"{side} {a} {b} {c}" for a, b, c in zip(padded, padded[1:], padded[2:], strict=False))


def _steps(side: str, expression: Expression, names: Mapping[str, str]) -> Iterator[str]:
    """Every step from a head to the head of one of its arguments."""
    for upper in expression.walk():
        for place, lower in enumerate(upper.args):
            yield f"{side} {names.get(upper.head, upper.head)} {place}> {names.get(lower.head, lower.head)}"


def _entries(feature: str) -> tuple[tuple[int, float], ...]:
    """Where a feature's vector is not zero, and with which sign."""
    return _kept_entries(feature) if len(feature) <= _LONGEST_KEPT else _derived_entries(feature)


def _derived_entries(feature: str) -> tuple[tuple[int, float], ...]:
    digest = hashlib.blake2b(feature.encode(errors="surrogatepass"), digest_size=4 * _ENTRIES).digest()
    words = (int.from_bytes(digest[start : start + 4], "big") for start in range(0, len(digest), 4))
    return tuple(((word >> 1) % _HASHED, 1.0 if word & 1 else -1.0) for word in words)


_kept_entries = lru_cache(maxsize=2**16)(_derived_entries)


def _counts(tokens: list[str], goals: list[PrintedGoal]) -> list[float]:
    """Sizes, on a logarithmic scale; the last is 1 for a state that could not be read, else 0."""
    targets = [len(_TOKEN.findall(goal.target.text)) for goal in goals]
    sizes = [
        len(tokens),
        len(goals),
        targets[0] if targets else 0,
        max(targets, default=0),
        sum(len(goal.hypotheses) for goal in goals),
        sum(len(goal.data) for goal in goals),
        len({head for goal in goals for head in goal.heads}),
    ]
    return [*map(math.log1p, sizes), 0.0 if goals else 1.0]


_RELATIONS: Final = frozenset({"=", "≠", "↔", "<", "≤", ">", "≥", "∣", "≍", "~", "⊆", "<+", "<+:"})
_NO_SIDES: Final = (0.0,) * 9
_MAX_COMPARED: Final = 4096
"""Nodes of a side that are compared."""

_LONGEST_WAY: Final = 32


@attrs.frozen(slots=False)  # cached_property needs a dict
class _Sides:
    """What the first goal relates: a tree on the left and one on the right."""

    left: Expression
    right: Expression
    names: Mapping[str, str]

    @classmethod
    def of(cls, goal: PrintedGoal, names: Mapping[str, str]) -> _Sides | None:
        """The two sides, also of what ``∀`` and ``→`` end in; none where nothing is related."""
        target = goal.target
        while target.head in ("∀", "→") and target.args:
            target = target.args[-1]
        if target.head not in _RELATIONS or len(target.args) != 2:
            return None
        return cls(*target.args, names)

    def features(self) -> Iterator[str]:
        """Nodes and steps that one side has and the other lacks, and where the trees part."""
        left, right = (Counter(self._parts(side)) for side in (self.left, self.right))
        yield from (f"left {part}" for part in (left - right).elements())
        yield from (f"right {part}" for part in (right - left).elements())
        yield from (f"{self._name(upper)} parts from {self._name(lower)}" for upper, lower in self._partings)

    def counts(self) -> list[float]:
        """Sizes of the sides, and how far they are apart, on a logarithmic scale.

        Nodes of each side, and those it has alone; places where the trees part, and the nodes there; and, leaf by leaf,
        from left to right: how many leaves differ, how many stand elsewhere, and by how many heads their ways differ.
        """
        left, right = (Counter(islice(map(self._name, side.walk()), _MAX_COMPARED)) for side in (self.left, self.right))
        pairs = list(zip(_leaves(self.left), _leaves(self.right), strict=False))
        sizes = [
            left.total(),
            right.total(),
            (left - right).total(),
            (right - left).total(),
            len(self._partings),
            sum(_size(upper) + _size(lower) for upper, lower in self._partings),
            sum(one.head != other.head for (one, _), (other, _) in pairs),
            sum(way != other_way for (_, way), (_, other_way) in pairs),
            sum(_apart(way, other_way) for (_, way), (_, other_way) in pairs),
        ]
        return [*map(math.log1p, sizes)]

    def _name(self, node: Expression) -> str:
        return self.names.get(node.head, node.head)

    def _parts(self, side: Expression) -> Iterator[str]:
        yield from (self._name(node) for node in islice(side.walk(), _MAX_COMPARED))
        yield from islice(_steps("", side, self.names), _MAX_COMPARED)

    @cached_property
    def _partings(self) -> list[tuple[Expression, Expression]]:
        """The topmost places at which the trees differ."""
        found = []
        waiting = [(self.left, self.right)]
        for _ in range(_MAX_COMPARED):
            if not waiting:
                break
            upper, lower = waiting.pop()
            if (upper.head, len(upper.args)) != (lower.head, len(lower.args)):
                found.append((upper, lower))
            else:
                waiting.extend(zip(upper.args, lower.args, strict=True))
        return found


def _size(tree: Expression) -> int:
    return sum(1 for _ in islice(tree.walk(), _MAX_COMPARED))


_Way = tuple[tuple[str, int], ...]
"""From the root to a leaf: heads, and at which argument it goes on. The nearest to the leaf only, if there are many."""


def _leaves(tree: Expression) -> Iterator[tuple[Expression, _Way]]:
    """The first leaves, from left to right, each with the way to it."""
    waiting: list[tuple[Expression, _Way]] = [(tree, ())]
    for _ in range(_MAX_COMPARED):
        if not waiting:
            return
        node, way = waiting.pop()
        if not node.args:
            yield node, way
        else:
            way = way[-_LONGEST_WAY:]
            waiting += [(arg, (*way, (node.head, place))) for place, arg in reversed(list(enumerate(node.args)))]


def _apart(one: _Way, other: _Way) -> int:
    """How many heads one of two ways passes and the other does not."""
    if one == other:
        return 0
    heads, other_heads = (Counter(head for head, _ in way) for way in (one, other))
    return (heads - other_heads).total() + (other_heads - heads).total()
