from __future__ import annotations

import enum
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.errors import ConfigError
from leanebm.pipeline.settings import structure_settings, to_toml, unstructure_settings


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen(kw_only=True)
class Budget:
    max_expansions: int | None = attrs.field(default=100)
    max_wall_s: float | None = None

    @max_expansions.validator
    def _positive(self, _: object, value: int | None) -> None:
        if value is not None and value < 1:
            raise ValueError(f"must be at least 1, got {value}")


@attrs.frozen(kw_only=True)
class Settings:
    name: str
    folder: Path = Path("runs")
    share: float = attrs.field(default=0.5, validator=[attrs.validators.ge(0.0), attrs.validators.le(1.0)])
    colour: Colour = Colour.RED
    imports: tuple[str, ...] = ("Init",)
    is_eager: bool = False
    budget: Budget = attrs.field(factory=Budget)
    secret: str | None = attrs.field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.is_eager and not self.imports:
            raise ValueError("an eager run needs at least one import")


def problems_of(table: dict[str, Any]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        structure_settings(table, Settings, source="settings.toml")
    return caught.value.problems


def test_absent_settings_take_their_defaults() -> None:
    assert structure_settings({"name": "x"}, Settings, source="") == Settings(name="x")


def test_every_mistake_is_reported_at_once_with_its_path() -> None:
    problems = problems_of(
        {
            "folder": 3,
            "share": 1.5,
            "colour": "green",
            "imports": "Init",
            "is_eager": 1,
            "budget": {"max_expansions": 0, "max_wall_s": "soon", "max_node": 3},
            "title": "x",
        }
    )
    assert sorted(problem.split(" @ ")[-1] for problem in problems) == sorted(
        [
            "$",
            "$.name",
            "$.folder",
            "$.share",
            "$.colour",
            "$.imports",
            "$.is_eager",
            "$.budget",
            "$.budget.max_expansions",
            "$.budget.max_wall_s",
        ]
    )


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        (
            {"name": "x", "budget": {"max_expansions": True}},
            "expected a whole number, got True @ $.budget.max_expansions",
        ),
        (
            {"name": "x", "budget": {"max_expansions": 2.0}},
            "expected a whole number, got 2.0 @ $.budget.max_expansions",
        ),
        (
            {"name": "x", "budget": {"max_expansions": "5"}},
            "expected a whole number, got '5' @ $.budget.max_expansions",
        ),
        ({"name": "x", "budget": 5}, "expected a table, got 5 @ $.budget"),
        ({"name": "x", "colour": "green"}, "expected one of 'red', 'blue', got 'green' @ $.colour"),
        ({}, "is required @ $.name"),
        ({"name": "x", "imports": [], "is_eager": True}, "an eager run needs at least one import @ $"),
    ],
)
def test_a_mistake_is_told_in_words(table: dict[str, Any], problem: str) -> None:
    assert problems_of(table) == (problem,)


def test_an_unknown_setting_is_answered_with_the_known_ones() -> None:
    (problem,) = problems_of({"name": "x", "budget": {"max_node": 3}})
    assert problem == "unknown setting max_node (known here: max_expansions, max_wall_s) @ $.budget"


def test_the_word_none_stands_for_no_limit() -> None:
    settings = structure_settings({"name": "x", "budget": {"max_expansions": "none"}}, Settings, source="")
    assert settings.budget.max_expansions is None


def test_a_secret_is_never_written() -> None:
    settings = Settings(name="x", secret="hunter2")  # noqa: S106
    assert "secret" not in unstructure_settings(settings)
    assert "hunter2" not in to_toml(settings)


texts = st.text(st.characters(exclude_categories=["Cs"])).filter(lambda text: text != "none")
settings_values = st.builds(
    Settings,
    name=texts,
    folder=st.just(Path("a b/ü")),
    share=st.floats(0.0, 1.0),
    colour=st.sampled_from(Colour),
    imports=st.lists(texts).map(tuple),
    is_eager=st.just(False),
    budget=st.builds(
        Budget,
        max_expansions=st.none() | st.integers(1, 2**63 - 1),
        max_wall_s=st.none() | st.floats(allow_nan=False),
    ),
)


@given(settings_values)
def test_what_is_written_is_read_back_equal(settings: Settings) -> None:
    assert structure_settings(tomllib.loads(to_toml(settings)), Settings, source="") == settings
