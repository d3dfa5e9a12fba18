from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Leanebm = Callable[..., Result]


@pytest.fixture
def scorers(leanebm_command: Leanebm, monkeypatch: pytest.MonkeyPatch) -> Leanebm:
    """Runs commands in a folder that holds a module of scorers."""
    Path("checked_scorers.py").write_text(
        "class Good:\n"
        "    def __init__(self, weight: float = 1.0):\n"
        "        self.weight = weight\n\n"
        "    async def score(self, leaves):\n"
        "        return [self.weight * leaf.depth for leaf in leaves]\n\n\n"
        "class Bad(Good):\n"
        "    async def score(self, leaves):\n"
        "        return [float(len(leaves)) for leaf in leaves]\n"
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    monkeypatch.delitem(__import__("sys").modules, "checked_scorers", raising=False)
    return leanebm_command


def test_a_part_that_keeps_its_contract_passes_and_what_was_checked_is_said(scorers: Leanebm) -> None:
    result = scorers("check", "checked_scorers:Good:weight=2.0")
    assert result.exit_code == 0
    assert result.stdout == (
        "checked_scorers:Good was checked as a scorer: that the scorer gives one finite number per leaf, "
        "whatever else is in the batch.\n"
        "It keeps its contract, as far as a check can see.\n"
    )


def test_a_part_that_breaks_it_fails_with_every_problem(scorers: Leanebm) -> None:
    result = scorers("check", "checked_scorers:Bad")
    assert result.exit_code == 1
    assert "It breaks its contract:\n  - leaf 0 gets 4.0 in the batch and [1.0] alone\n" in result.stdout


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ("checked_scorers:Missing", "has no attribute 'Missing'"),
        ("checked_scorers:Good:weight=[", "'[' is neither a value as TOML writes it nor a bare word"),
        ("checked_scorers:Good:wait=1", "unknown setting wait"),
    ],
)
def test_what_is_wrong_input_is_said_so(scorers: Leanebm, part: str, why: str) -> None:
    result = scorers("check", part)
    assert result.exit_code == 2
    assert why in result.stderr


def test_a_word_of_ours_needs_its_kind(scorers: Leanebm) -> None:
    result = scorers("check", "breadth_first")
    assert result.exit_code == 2
    assert "say of which kind it is @ --kind" in result.stderr
    assert scorers("check", "breadth_first", "--kind", "scorer").exit_code == 0


def test_mistakes_in_a_parts_settings_are_named_as_they_were_typed(scorers: Leanebm) -> None:
    result = scorers("check", "leanebm.search.scorers:LengthNormalisedLogProb:alpha=x,b=3")
    assert "expected a number, got 'x' @ PART:alpha\n" in result.stderr
    assert "unknown setting b (known here: alpha) @ PART\n" in result.stderr
