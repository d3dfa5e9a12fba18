"""The same lesson under other names: what is proved of ``p`` and ``q`` holds of ``q`` and ``p``."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from leanebm.pipeline.finetune.lessons import Lesson

_INACCESSIBLE: Final = "✝"
_NAME: Final = re.compile(rf"[^\W\d][\w'{_INACCESSIBLE}¹²³⁴⁵⁶⁷⁸⁹⁰]*")
_DECLARATION: Final = re.compile(r"([^\s:⊢|]+(?: [^\s:⊢|]+)+) :")
"""The line of a goal that declares several variables of one type."""


def renamed_copies(lessons: Sequence[Lesson], number: int, *, seed: int) -> Iterator[Lesson]:
    """Each lesson, then up to ``number`` others that differ from it in which variable bears which name.

    Names are exchanged among variables of one type that Lean declares together, ``p q r : Prop``, in all else that is
    said of them; so a copy is a goal that Lean would print, and its tactic the one that works there.
    """
    for lesson in lessons:
        yield lesson
        groups = _groups(lesson.state)
        rng = random.Random(f"{seed}\0{lesson.state}\0{lesson.tactic}")  # noqa: S311 - names, not secrets
        copies = {lesson}
        for _ in range(number if groups else 0):
            copy = _exchanged(lesson, groups, rng)
            if copy not in copies:
                copies.add(copy)
                yield copy


def _groups(state: str) -> list[list[str]]:
    """Names that may be exchanged; none where one name means different things in different goals."""
    declared = [match[1].split() for line in state.split("\n") if (match := _DECLARATION.match(line))]
    # A tactic that named an inaccessible one would be no Lean.
    accessible = [tuple(name for name in names if _INACCESSIBLE not in name) for names in declared]
    groups = [list(names) for names in dict.fromkeys(accessible) if len(names) > 1]
    together = [name for names in groups for name in names]
    return groups if len(set(together)) == len(together) else []


def _exchanged(lesson: Lesson, groups: Sequence[Sequence[str]], rng: random.Random) -> Lesson:
    new: dict[str, str] = {}
    for names in groups:
        new |= zip(names, rng.sample(names, len(names)), strict=True)

    def exchange(text: str) -> str:
        return _NAME.sub(lambda match: new.get(match[0], match[0]), text)

    def exchange_in(line: str) -> str:
        """Of variables declared together the type alone: their names stand in the order that they had."""
        match = _DECLARATION.match(line)
        start = match.end() if match else 0
        return line[:start] + exchange(line[start:])

    lines = map(exchange_in, lesson.state.split("\n"))
    return attrs.evolve(lesson, state="\n".join(lines), tactic=exchange(lesson.tactic))
