from __future__ import annotations

import pytest

from leanebm.cli._part_words import PART_WORDS
from leanebm.pipeline.part_check import PART_KINDS
from leanebm.pipeline.parts import FAMILIES


def test_its_kinds_and_words_are_all_there_are() -> None:
    families = {family.group: family for family in FAMILIES.values()}
    assert {words.group for words in PART_WORDS.values()} == families.keys()
    assert set(PART_WORDS) <= set(PART_KINDS)
    for words in PART_WORDS.values():
        family = families[words.group]
        assert list(words.ours) == sorted({*family.built_in, *family.discovered})
        assert all(line.endswith(".") for line in words.ours.values())


@pytest.mark.parametrize("kind", PART_WORDS)
def test_what_a_package_registers_follows_ours(kind: str, registered: str) -> None:
    rows = dict(PART_WORDS[kind].rows())
    assert list(rows)[: len(PART_WORDS[kind].ours)] == list(PART_WORDS[kind].ours)
    assert ("ladder" in rows) == (registered == PART_WORDS[kind].group)
    if "ladder" in rows:
        assert rows["ladder"] == "no_such_module:Ladder of ladder-parts", "listed, and not imported"
