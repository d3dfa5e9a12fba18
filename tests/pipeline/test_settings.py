from __future__ import annotations

import enum
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leanebm.core import ProofState, SearchOutcome, SearchResult, Theorem
from leanebm.errors import ConfigError
from leanebm.lean import CommandBackend, EmbeddedBackend, NativeBackend
from leanebm.pipeline import ContrastiveConfig, EnergyConfig, Part, Parts, RunConfig
from leanebm.pipeline.energy.counting_encoder import CountingEncoder
from leanebm.pipeline.settings import settings_that_matter, structure_settings, to_toml, unstructure_settings
from leanebm.policy import EncoderBackend, PolicyApi
from leanebm.search import BestFirstSearch, SearchConfig
from leanebm.search.scorers import BreadthFirst, LengthNormalisedLogProb, NegativeEnergy, WeightedSum, WeightedTerm
from leanebm.testing import ScriptedPolicy


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Shape(enum.StrEnum):
    ROUND = "round"
    SQUARE = "square"


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
    shape: Shape = Shape.ROUND
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


def test_a_choice_becomes_the_choice_also_where_it_is_text_itself() -> None:
    settings = structure_settings({"name": "x", "colour": "blue", "shape": "square"}, Settings, source="")
    assert (settings.colour, settings.shape) == (Colour.BLUE, Shape.SQUARE)
    assert settings.shape is Shape.SQUARE
    assert structure_settings(unstructure_settings(settings), Settings, source="").shape is Shape.SQUARE


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
        ({"name": "x", "shape": "oval"}, "expected one of 'round', 'square', got 'oval' @ $.shape"),
        ({}, "'name' is required @ $.name"),
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


def test_a_mistake_inside_a_list_is_told_with_its_place() -> None:
    terms = [{"scorer": "breadth_first"}, {"scorer": {"kind": "length_normalised", "alpha": -1.0}, "wieght": 2.0}]
    with pytest.raises(ConfigError) as caught:
        structure_settings({"run": {"scorer": {"kind": "weighted_sum", "terms": terms}}}, ContrastiveConfig, source="")
    assert [problem.rpartition(" @ ")[-1] for problem in caught.value.problems] == [
        "$.run.scorer.terms[1].scorer.alpha",
        "$.run.scorer.terms[1]",
    ]


@attrs.frozen(kw_only=True)
class Varied:
    either: int | str
    some: list[int] = attrs.field(factory=list)
    table: dict[str, float] = attrs.field(factory=dict)


@given(
    st.builds(
        Varied,
        either=st.integers(-5, 5) | texts,
        some=st.lists(st.integers(-5, 5)),
        table=st.dictionaries(st.sampled_from("abc"), st.floats(allow_nan=False)),
    )
)
def test_unions_lists_and_tables_are_read_back_equal(varied: Varied) -> None:
    assert structure_settings(tomllib.loads(to_toml(varied)), Varied, source="") == varied


# --- what results depend on ---------------------------------------------------------------------


class OtherSearch(BestFirstSearch):
    pass


class OtherEnergies:
    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [0.0 for _ in states]


SPECIAL: dict[str, Any] = {
    "closers": ("rfl",),
    "url": "http://elsewhere:1",
    "model": None,
    "pooling": None,
    "required_pooling": "last",
    "device": "cuda:3",
    "top_p": 0.5,
    "api": PolicyApi.OPENAI,
    "prompt_format": "prefix",
    "policy": Part(ScriptedPolicy, {"script": {}}),
    "search": Part(OtherSearch),
    "energy_model": Part(OtherEnergies),
    "encoder": Part(CountingEncoder),
    "without": ("grind",),
    "scorer": WeightedSum((WeightedTerm(scorer=BreadthFirst()),)),
}
"""Other values of fields that a rule of thumb would not find one for."""


def places(config: Any, *path: str) -> Iterator[tuple[str, ...]]:
    """Every field of a config, however deep, that holds no further fields."""
    for attribute in attrs.fields(type(config)):
        value = getattr(config, attribute.name)
        is_part = attribute.name == "scorer" or path == ("run", "parts")
        if attribute.init and attrs.has(type(value)) and attrs.fields(type(value)) and not is_part:
            yield from places(value, *path, attribute.name)
        elif attribute.init:
            yield (*path, attribute.name)


def another(attribute: attrs.Attribute[Any], value: Any) -> Any:
    match value:
        case _ if attribute.name in SPECIAL:
            return SPECIAL[attribute.name]
        case EmbeddedBackend() | NativeBackend():
            return CommandBackend(argv=("other",))
        case EncoderBackend():
            return EncoderBackend.SGLANG_ENCODE
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case tuple():
            return (*value, "Other")
        case None if "str" in str(attribute.type):
            return "other"
        case None if "Path" in str(attribute.type):
            return Path("other")
        case None:
            return 3
    raise AssertionError(f"no other value is known for {attribute.name}: add it to SPECIAL")


def flipped(config: Any, path: tuple[str, ...]) -> tuple[Any, bool]:
    """``config`` with another value at ``path``, and whether its fields say that results do not depend on it."""
    name, *rest = path
    attribute = attrs.fields_dict(type(config))[name]
    value, is_marked = (
        flipped(getattr(config, name), tuple(rest)) if rest else (another(attribute, getattr(config, name)), False)
    )
    return attrs.evolve(config, **{name: value}), is_marked or attribute.metadata.get("affects_results") is False


PLACES = list(places(ContrastiveConfig()))


@pytest.mark.parametrize("path", PLACES, ids=".".join)
def test_every_setting_matters_unless_its_field_says_otherwise(path: tuple[str, ...]) -> None:
    # Without a head, what shapes one is a mistake; and a run has a head or an energy model.
    needs_head = path[:2] == ("run", "energy") and path[-1] != "path"
    config = ContrastiveConfig(run=RunConfig(energy=EnergyConfig(path="head" if needs_head else None)))
    changed, is_marked = flipped(config, path)
    is_secret = path[-1] == "api_key"
    stays_absent = path[-1] in {"model", "pooling"}  # which only go with another backend
    assert (changed == config) == stays_absent
    assert (settings_that_matter(changed) == settings_that_matter(config)) == (is_marked or is_secret or stays_absent)


def test_a_run_from_before_a_setting_is_like_one_with_the_value_that_it_had_then() -> None:
    search = settings_that_matter(RunConfig())["search"]
    assert "parallel_expansions" not in search, "or no older run could be gone on with"
    two = settings_that_matter(RunConfig(search=SearchConfig(parallel_expansions=2)))["search"]
    assert two == search | {"parallel_expansions": 2}
    assert unstructure_settings(RunConfig())["search"]["parallel_expansions"] == 1


def test_what_once_was_left_out_of_the_comparison_is_in_it() -> None:
    matter = settings_that_matter(ContrastiveConfig())["run"]
    assert {"adapter", "top_p", "prompt_format", "max_state_chars"} <= matter["policy"].keys()
    assert not {"url", "api_key", "deadline_s"} & matter["policy"].keys()
    assert len(PLACES) > 60


@pytest.mark.parametrize("scorer", [BreadthFirst(), LengthNormalisedLogProb(alpha=0.7), SPECIAL["scorer"]])
def test_a_scorer_of_ours_is_written_with_its_word_and_read_back(scorer: Any) -> None:
    config = attrs.evolve(ContrastiveConfig().run, scorer=scorer)
    assert structure_settings(tomllib.loads(to_toml(config)), type(config), source="") == config


@attrs.define(slots=False)
class Fussy:
    """A search with a default that TOML can hold, one that it cannot, and one that is no default."""

    policy: Any = None
    width: int = 3
    clock: Any = max
    names: list[str] = attrs.field(factory=list)

    async def run(self, theorem: Theorem) -> SearchResult:
        raise NotImplementedError


def test_the_defaults_of_a_part_are_compared_and_not_written() -> None:
    plain, typed = (RunConfig(parts=Parts(search=Part(Fussy, fields))) for fields in ({}, {"width": 3}))
    assert settings_that_matter(plain) == settings_that_matter(typed)
    assert settings_that_matter(plain)["parts"]["search"].keys() == {"kind", "width"}
    assert settings_that_matter(RunConfig(parts=Parts(search=Part(Fussy, {"width": 4})))) != settings_that_matter(plain)
    assert unstructure_settings(plain)["parts"]["search"].keys() == {"kind"}


def test_scorers_within_scorers_are_written_and_read_back() -> None:
    inner = WeightedSum([WeightedTerm(scorer=NegativeEnergy(), weight=-2.0), WeightedTerm(scorer=BreadthFirst())])
    scorer = WeightedSum(
        (WeightedTerm(scorer=inner, centre=3.0), WeightedTerm(scorer=LengthNormalisedLogProb(alpha=2.0)))
    )
    config = attrs.evolve(ContrastiveConfig().run, scorer=scorer)
    assert structure_settings(tomllib.loads(to_toml(config)), type(config), source="") == config


@attrs.frozen
class Ended:
    outcome: SearchOutcome


def test_an_enumeration_of_strings_is_read_as_its_member() -> None:
    assert structure_settings({"outcome": "proved"}, Ended, source="x").outcome is SearchOutcome.PROVED
    with pytest.raises(ConfigError, match="expected one of 'proved'"):
        structure_settings({"outcome": "won"}, Ended, source="x")
