from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import Leaf, StateScorer
from leanebm.errors import ConfigError
from leanebm.pipeline import Part, Parts, RunConfig
from leanebm.pipeline._readiness import refuse_unready
from leanebm.search import BestFirstSearch, NegativeEnergy, PortfolioSearch, WeightedSum, WeightedTerm, stacked


class FromTable:
    """A scorer that reads a file."""

    def __init__(self, table: Path) -> None:
        self.table = table

    def check_ready(self) -> None:
        if not self.table.exists():
            raise ValueError(f"there is no table {self.table.name}")

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


class Around:
    """A scorer around another one, and with nothing to ask."""

    def __init__(self, inner: StateScorer) -> None:
        self.inner = inner

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return await self.inner.score(leaves)


class Informed(BestFirstSearch):
    def __init__(self, *, table: Path, width: int = 1, **parts: Any) -> None:
        super().__init__(**parts)
        self.table, self.width = table, width

    @staticmethod
    def check_ready(table: Path) -> None:
        FromTable(table).check_ready()


@attrs.frozen
class Members:
    scorers: tuple[StateScorer, ...]
    by_name: dict[str, StateScorer] = attrs.field(factory=dict)

    async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
        return [0.0 for _ in leaves]


ABSENT = FromTable(Path("absent.csv"))
SEARCH = Part(Informed, {"table": Path("absent.csv"), "width": 2})
SUM = WeightedSum((WeightedTerm(scorer=NegativeEnergy()), WeightedTerm(scorer=Around(ABSENT))))


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (RunConfig(scorer=ABSENT), "FromTable: there is no table absent.csv @ $.scorer"),
        (RunConfig(scorer=SUM), "FromTable: there is no table absent.csv @ $.scorer.terms[1].scorer.inner"),
        (RunConfig(scorer=Members((), {"a": ABSENT})), "FromTable: there is no table absent.csv @ $.scorer.by_name.a"),
        (RunConfig(parts=Parts(search=SEARCH)), "Informed: there is no table absent.csv @ $.parts.search"),
        (
            RunConfig(parts=Parts(search=Part(stacked(PortfolioSearch, Informed), {"table": Path("absent.csv")}))),
            "Informed: there is no table absent.csv @ $.parts.search",
        ),
        (
            RunConfig(parts=Parts(search=Part(PortfolioSearch, {"other": ABSENT}))),
            "FromTable: there is no table absent.csv @ $.parts.search.other",
        ),
    ],
)
def test_a_part_is_asked_wherever_it_is(config: RunConfig, place: str) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_unready(config)
    assert caught.value.problems == (place,)


def test_all_that_are_not_ready_are_told_at_once_and_each_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        refuse_unready(RunConfig(scorer=Members((ABSENT, ABSENT)), parts=Parts(search=SEARCH)))
    assert len(caught.value.problems) == 2
    (tmp_path / "table.csv").touch()
    there = tmp_path / "table.csv"
    refuse_unready(RunConfig(scorer=Members((FromTable(there),)), parts=Parts(search=Part(Informed, {"table": there}))))


def leaves() -> None:
    raise SystemExit(0)


def closes() -> None:
    raise GeneratorExit


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (closes, "Odd: its check_ready raised GeneratorExit @ $.scorer"),
        (leaves, "Odd: its check_ready raised SystemExit: 0 @ $.scorer"),
        (lambda: dict[str, int]()["no"], "Odd: its check_ready raised KeyError: no @ $.scorer"),
        (lambda: False, "Odd: its check_ready must raise what is wrong; it returned False @ $.scorer"),
        (lambda word: word, "missing 1 required positional argument: 'word' @ $.scorer"),
    ],
)
def test_an_odd_answer_is_told_as_the_parts(ask: Any, said: str) -> None:
    class Odd(Members):
        check_ready = staticmethod(ask)

    with pytest.raises(ConfigError) as caught:
        refuse_unready(RunConfig(scorer=Odd(())))
    [problem] = caught.value.problems
    assert problem.endswith(said)


def test_what_cannot_be_looked_into_is_taken_as_it_is() -> None:
    class Looped:
        def __init__(self, itself: Any = None, **more: Any) -> None:
            self.itself, self.more = self if itself is None else itself, more

        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [0.0 for _ in leaves]

    class Endless(Looped):
        def __init__(self, itself: Any = None) -> None:
            super().__init__(itself)

    refuse_unready(RunConfig(scorer=Looped()))
    refuse_unready(RunConfig(scorer=Endless()))
