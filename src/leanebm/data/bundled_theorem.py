"""The theorem set that comes with the package: statements over Lean's core library."""

from __future__ import annotations

import enum
import functools
import json
from pathlib import Path
from typing import Final

import attrs

from leanebm._shown import fitting_repr
from leanebm.core import Theorem

BUNDLED_FILE: Final = Path(__file__).with_name("bundled") / "core.jsonl"
"""The set's own file, in the form :func:`leanebm.data.read_theorems` reads."""


class Level(enum.StrEnum):
    """How hard a proof is."""

    TRIVIAL = "trivial"
    """One obvious step."""

    EASY = "easy"
    """One automation tactic closes it, if it is the right one."""

    MEDIUM = "medium"
    """No automation tactic closes it alone: first comes an induction, a case split, a
    rewriting or a witness."""

    HARD = "hard"
    """As medium, and the step needs an idea: a stronger claim, a nested split, a chain of witnesses."""


@attrs.frozen(kw_only=True)
class BundledTheorem:
    """A statement and what is known of it."""

    theorem: Theorem

    level: Level

    tags: tuple[str, ...]
    """What it is about and what its proofs use (``nat``, ``list``, ``induction`` …), sorted."""

    __repr__ = fitting_repr


@functools.cache
def bundled_set() -> tuple[BundledTheorem, ...]:
    """The statements with their levels and tags, easier ones first."""
    return tuple(_entry(line) for line in BUNDLED_FILE.read_text(encoding="utf-8").splitlines())


def bundled_theorems() -> tuple[Theorem, ...]:
    """The statements, easier ones first. They need no import beyond ``Init``."""
    return tuple(entry.theorem for entry in bundled_set())


def _entry(line: str) -> BundledTheorem:
    values = json.loads(line)
    return BundledTheorem(
        theorem=Theorem(name=values["name"], statement=values["statement"]),
        level=Level(values["meta"]["level"]),
        tags=tuple(values["meta"]["tags"]),
    )
