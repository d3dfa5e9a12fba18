"""An encoder of its own for equations by laws: how near one use of a law would bring the two sides.

    leanebm train-ebm runs/train --val runs/val --state-encoder law_encoder:LawEncoder --output-dir runs/laws
    leanebm search … --ebm-path runs/laws --state-encoder law_encoder:LawEncoder

with this folder on PYTHONPATH. A state's vector has 21 numbers: the eight sizes that a ruler sees, how far the sides of
the first goal are apart, and how far they would be after each use of each hypothesis that is an equation, in either
direction, at any place. Lean is not asked. Read are names that are applied to names, and parentheses: the language of
``leanebm conjecture --family word_problem``, and of ``rewriting`` and ``rearranging``. Of any other goal there is
nothing but the sizes.

A *distance* is three numbers: places where the trees part, nodes below these, and, leaf by leaf, how many leaves differ
and by how many heads the ways to them do.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import attrs

from leanebm.core import EncoderIdentity, ProofState
from leanebm.core.state_counts import NUM_STATE_COUNTS, state_counts

Term = tuple[Any, ...]
"""A head and its arguments, each of which is a term: ``("m", ("x",), ("y",))``."""

Law = tuple[frozenset[str], Term, Term]
"""The variables, and the two sides."""

Distance = tuple[int, int, int]

_AHEAD: Final = 13
_MOST_USES: Final = 256
_LONGEST: Final = 2000
"""Characters of a goal that is read: deeper terms than fit would be too deep for recursion."""

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")
_QUANTIFIER: Final = re.compile(r"∀ (.*?), (.*)", re.DOTALL)
_BINDER: Final = re.compile(r"\(([^:()]+):")


class LawEncoder:
    """A :class:`~leanebm.core.StateEncoder` that looks one use of a law ahead."""

    def __repr__(self) -> str:
        return "LawEncoder()"

    async def identity(self) -> EncoderIdentity:
        """Which numbers these are; ``weights`` counts up when a state gets others."""
        dim = NUM_STATE_COUNTS + _AHEAD
        return EncoderIdentity(model="one law ahead", weights="1", pooling="none", is_normalized=False, dim=dim)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        """``log(1 + count)`` for each count."""
        return [array("f", map(math.log1p, (*state_counts(text), *_ahead(text)))) for text in texts]


@attrs.frozen
class Nearness:
    """A :class:`~leanebm.core.EnergyModel` that has learnt nothing: how far apart one use of a law leaves the sides."""

    uses: int = attrs.field(default=1, validator=attrs.validators.in_((0, 1)))
    """Of a law; with none, how far they are apart as they stand."""

    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        """The logarithms of the least distance's three numbers, each plus one, together."""
        least = slice(3, 6) if self.uses else slice(0, 3)
        return [sum(map(math.log1p, _ahead(state.text)[least])) for state in states]


def _ahead(text: str) -> Sequence[int]:
    """The distance now, the least after one use, uses that lower each of its numbers, all uses, and what is gained."""
    found = _read(text)
    if found is None:
        return (0,) * _AHEAD
    left, right, laws = found
    now = _distance(left, right)
    after = [_distance(used, right) for used in islice(_uses(left, laws), _MOST_USES)]
    after += [_distance(left, used) for used in islice(_uses(right, laws), _MOST_USES)]
    least = [min((each[k] for each in after), default=now[k]) for k in range(3)]
    lower = [sum(each[k] < now[k] for each in after) for k in range(3)]
    gained = [max(0, now[k] - least[k]) for k in range(3)]
    return (*now, *least, *lower, len(after), *gained)


# --- reading ---


def _read(text: str) -> tuple[Term, Term, list[Law]] | None:
    """Both sides of the first goal, and the laws in front of it; nothing if it is no such equation."""
    hypotheses, turnstile, target = text.strip().split("\n\n")[0].partition("⊢ ")
    if not turnstile or len(text) > _LONGEST:
        return None
    target = " ".join(target.split())  # Lean breaks long lines
    while target.startswith("∀ "):
        target = target.partition(", ")[2]
    *premises, equation = _split_at_arrows(target)
    stated = [line.partition(" : ")[2] for line in hypotheses.replace("\n  ", " ").splitlines()]
    laws = [law for each in (*stated, *premises) if (law := _law(each)) is not None]
    sides = _law(equation)
    return None if sides is None else (sides[1], sides[2], laws)


def _split_at_arrows(text: str) -> list[str]:
    """Cut at the arrows that are not inside parentheses."""
    pieces, depth = [""], 0
    for each in re.split(r"([()]|→)", text):
        depth += (each == "(") - (each == ")")
        if each == "→" and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += each
    return [piece.strip() for piece in pieces]


def _law(text: str) -> Law | None:
    if text.startswith("(∀"):
        text = text[1:-1]
    variables: set[str] = set()
    while (found := _QUANTIFIER.fullmatch(text)) is not None:
        variables.update(name for names in _BINDER.findall(found[1]) for name in names.split())
        text = found[2]
    left, equals, right = text.partition(" = ")
    try:
        return (frozenset(variables), _term(left), _term(right)) if equals else None
    except ValueError:
        return None


def _term(text: str) -> Term:
    """Read an application.

    Raises:
        ValueError: it is something else.
    """
    open_: list[list[Any]] = [[]]
    for each in _TOKEN.findall(text):
        if each == "(":
            open_.append([])
        elif each == ")" and len(open_) > 1:
            open_[-2].append(_applied(open_.pop()))
        elif each[0].isalpha():
            open_[-1].append((each,))
        else:
            raise ValueError(text)
    if len(open_) > 1:
        raise ValueError(text)
    return _applied(open_[0])


def _applied(parts: Sequence[Term]) -> Term:
    if not parts or (len(parts[0]) > 1 and len(parts) > 1):
        raise ValueError(parts)
    return (*parts[0], *parts[1:])


# --- one use of a law ---


def _uses(term: Term, laws: Sequence[Law]) -> Iterator[Term]:
    """The term after each use of each law, in either direction, at the root first."""
    for variables, left, right in laws:
        for old, new in ((left, right), (right, left)):
            if (found := _matched(old, term, variables, {})) is not None and variables <= found.keys():
                yield _filled(new, found)
    for place, argument in enumerate(term[1:], 1):
        yield from ((*term[:place], used, *term[place + 1 :]) for used in _uses(argument, laws))


def _matched(
    pattern: Term, term: Term, variables: frozenset[str], found: Mapping[str, Term]
) -> Mapping[str, Term] | None:
    """``found``, and what the pattern's variables stand for in ``term``; nothing if it does not match."""
    if pattern[0] in variables and len(pattern) == 1:
        known = found.get(pattern[0])
        if known is None:
            return {**found, pattern[0]: term}
        return found if known == term else None
    if (pattern[0], len(pattern)) != (term[0], len(term)):
        return None
    matched: Mapping[str, Term] | None = found
    for each, argument in zip(pattern[1:], term[1:], strict=True):
        if matched is not None:
            matched = _matched(each, argument, variables, matched)
    return matched


def _filled(pattern: Term, found: Mapping[str, Term]) -> Term:
    if len(pattern) == 1:
        return found.get(pattern[0], pattern)
    return (pattern[0], *(_filled(argument, found) for argument in pattern[1:]))


# --- distances ---


def _distance(left: Term, right: Term) -> Distance:
    partings = list(_partings(left, right))
    below = sum(_size(one) + _size(other) for one, other in partings)
    astray = 0
    for (leaf, way), (other, other_way) in zip(_leaves(left), _leaves(right), strict=False):
        heads, other_heads = (Counter(head for head, _ in each) for each in (way, other_way))
        astray += (leaf != other) + (heads - other_heads).total() + (other_heads - heads).total()
    return len(partings), below, astray


def _partings(left: Term, right: Term) -> Iterator[tuple[Term, Term]]:
    """The topmost places at which the trees differ."""
    if (left[0], len(left)) != (right[0], len(right)):
        yield left, right
    else:
        for one, other in zip(left[1:], right[1:], strict=True):
            yield from _partings(one, other)


def _leaves(term: Term, way: tuple[tuple[str, int], ...] = ()) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
    if len(term) == 1:
        yield term[0], way
    for place, argument in enumerate(term[1:]):
        yield from _leaves(argument, (*way, (term[0], place)))


def _size(term: Term) -> int:
    return 1 + sum(map(_size, term[1:]))
