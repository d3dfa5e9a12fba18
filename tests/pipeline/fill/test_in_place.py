from __future__ import annotations

import pytest

from leanebm.lean.files import CertifiedFile, FileSorries, StatedTheorem
from leanebm.pipeline.fill.in_place import disturbed, own_and_others
from leanebm.pipeline.fill.lean_file import Edit

_COMMANDS = ((0, 10), (12, 30), (32, 40))
_LONGER = Edit(20, 25, "longer text")  # by six bytes


@pytest.mark.parametrize(
    ("found", "is_disturbed"),
    [
        (((0, 10), (12, 36), (38, 46)), False),
        (((0, 10), (12, 36)), True),
        (((0, 10), (12, 36), (38, 46), (47, 50)), True),
        (((0, 10), (12, 30), (38, 46)), True),
        (((0, 10), (12, 28), (29, 46)), True),
        ((), True),
    ],
)
def test_commands_must_be_where_they_were(found: tuple[tuple[int, int], ...], is_disturbed: bool) -> None:
    assert disturbed(_COMMANDS, [_LONGER], CertifiedFile(commands=found, theorems=())) is is_disturbed


def test_parts_of_a_theorem_are_told_from_other_declarations() -> None:
    names = ("a", "a.two", "b")
    known = FileSorries(
        commands=(),
        theorems=tuple(StatedTheorem(name=name, start=0, sorries=()) for name in names),
        others=(),
    )
    unproved = ["a", "a.go", "a.two", "b", "ab"]
    assert own_and_others("a", known, unproved) == (["a", "a.go"], ["a.two", "b", "ab"])
