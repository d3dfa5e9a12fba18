from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import attrs
import pytest
from click.testing import Result

from leanebm.cli._sections import PART_WORDS
from leanebm.cli.parts import _as_text
from leanebm.core import Leaf, StateScorer
from leanebm.pipeline import EMBEDDED_SERVER_URL, RunConfig
from leanebm.pipeline.part_list import _listed
from leanebm.pipeline.parts import FAMILIES, part_table
from leanebm.pipeline.settings import structure_settings

Leanebm = Callable[..., Result]


def test_every_part_is_listed_with_its_settings(leanebm_command: Leanebm) -> None:
    said = leanebm_command("parts").stdout
    for words in PART_WORDS.values():
        assert f"{words.plural}, for {words.option} KIND[:key=value,…]\n" in said
        assert all(f"\n  {word}\n" in said for word in words.ours)
    assert "\n  puct\n      Monte-Carlo tree search by PUCT" in said
    assert "\n      - c: float = 1.25\n" in said
    assert "policy" not in said.partition("  puct\n")[2].partition("Energy models")[0].split("- "), "a run supplies it"


def test_one_kind_is_listed_alone_also_for_a_program(leanebm_command: Leanebm) -> None:
    listed = json.loads(leanebm_command("parts", "scorer", "--json").stdout)
    assert list(listed) == ["scorer"]
    by_word = {part["word"]: part for part in listed["scorer"]}
    assert by_word["length_normalised"]["settings"] == ["alpha: float = 0.5"]
    assert by_word["oracle"]["settings"] == ["runs: Path"]
    result = leanebm_command("parts", "scorr")
    assert result.exit_code == 2
    assert "did you mean 'scorer'?" in result.stderr


@pytest.mark.parametrize("registered", ["leanebm.scorers"], indirect=True)
def test_a_part_that_cannot_be_imported_says_why(leanebm_command: Leanebm, registered: str) -> None:
    assert registered
    said = leanebm_command("parts", "scorer").stdout
    assert "  ladder (from ladder-parts 1.0)\n      'no_such_module:Ladder' cannot be imported: ModuleNotFound" in said


def test_parts_of_classes_that_say_nothing_show_no_more_than_their_settings() -> None:
    @dataclass
    class Silent:
        names: list[str] = field(default_factory=list)

        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [0.0 for _ in leaves]

    @attrs.frozen
    class Told:
        """Says what it is."""

        alpha: float = 1.0

    family = FAMILIES[StateScorer]
    silent = _listed("silent", Silent, family, "mine 1")
    assert (silent.line, silent.settings) == ("", ("names: list[str] = …",))
    told = _listed("told", functools.partial(Told, alpha=2.0), family, "mine 1")
    assert (told.line, told.settings) == ("Says what it is.", ("alpha: float = 2.0",))
    assert _as_text(silent) == "  silent (from mine 1)\n      - names: list[str] = …"


def test_each_example_can_be_typed(tmp_path: Path) -> None:
    for words in PART_WORDS.values():
        family = next(family for family in FAMILIES.values() if family.group == words.group)
        for word, factory in family.built_in.items():
            table = part_table(family.example_of(word, factory))
            if words.option == "--scorer":
                structure_settings({"scorer": table}, RunConfig, source=str(tmp_path))
            elif words.option == "--search":
                policy = {"url": EMBEDDED_SERVER_URL, "whole_proofs": word == "whole_proofs"}
                structure_settings({"parts": {"search": table}, "policy": policy}, RunConfig, source=str(tmp_path))
            elif words.option == "--state-encoder":
                structure_settings({"parts": {"encoder": table}}, RunConfig, source=str(tmp_path))
            else:
                structure_settings({"lean": {"backend": table}}, RunConfig, source=str(tmp_path))


def test_an_example_is_given_where_the_word_alone_says_too_little(leanebm_command: Leanebm) -> None:
    listed = json.loads(leanebm_command("parts", "scorer", "--json").stdout)["scorer"]
    said = leanebm_command("parts", "scorer").stdout
    assert [f"such as  {part['example']}\n" in said for part in listed] == [
        part["example"] != part["word"] for part in listed
    ]
