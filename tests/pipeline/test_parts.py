from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib
import re
import sys
import tomllib
import zipfile
from array import array
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv

from leanebm.core import EnergyModel, Leaf, SearchOutcome, TacticPolicy, Theorem
from leanebm.errors import ConfigError, EnergyError, PartBroken, PolicyUnavailable, WorkerDied
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import Part, Parts, RunConfig, SearchRun, open_workbench, part_table, structure_settings, to_toml
from leanebm.pipeline.parts import FAMILIES, enter_part
from leanebm.pipeline.settings import settings_that_matter, unstructure_settings
from leanebm.search import BestFirstSearch, ProbingSearch, PuctSearch, stacked
from leanebm.search.scorers import BreadthFirst, LengthNormalisedLogProb, WeightedSum, WeightedTerm
from leanebm.testing import SAMPLE_LEAVES, ScriptedPolicy, ToyWorld

Numbers = Callable[..., tuple[Theorem, ...]]
ToyBench = Callable[..., Any]


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A user's module, which leanebm imports by its name."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.delitem(sys.modules, "plugged_parts", raising=False)
    return importlib.import_module("plugged_parts")


def read(table: dict[str, Any]) -> RunConfig:
    return structure_settings(table, RunConfig, source="run.toml")


def read_again(config: RunConfig) -> RunConfig:
    return read(tomllib.loads(to_toml(config)))


# --- by name ------------------------------------------------------------------------------------


def test_a_scorer_is_named_by_its_module_and_given_its_settings(plugged: Any) -> None:
    config = read({"scorer": {"kind": "plugged_parts:Fancy", "weight": 3, "table": "t.json"}})
    assert config.scorer == plugged.Fancy(weight=3.0, table=Path("t.json"))
    plain = read({"scorer": {"kind": "plugged_parts:Plain", "depth_bonus": 0.5, "words": ["a"]}}).scorer
    assert (plain.depth_bonus, plain.words) == (0.5, ("a",))  # type: ignore[attr-defined]
    assert read({"scorer": "plugged_parts:made_by_a_function"}).scorer == plugged.Fancy(weight=2.0)
    greedy = read({"scorer": {"kind": "plugged_parts:Greedy", "any": [1, 2], "thing": "none"}}).scorer
    assert greedy.anything == {"any": [1, 2], "thing": None}  # type: ignore[attr-defined]


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("scorer", "problems"),
    [
        (
            {"kind": "plugged_parts:Fancy", "weight": -1.0, "wieght": 1, "table": 3},
            ["weight' must be >= 0.0", "expected a path in quotes, got 3 @ $.scorer.table", "unknown setting wieght"],
        ),
        (
            {"kind": "plugged_parts:Plain", "words": "a"},
            [
                "'depth_bonus' is required, such as plugged_parts:Plain:depth_bonus=… @ $.scorer.depth_bonus",
                "expected a list",
            ],
        ),
        (
            {"kind": "plugged_parts:Nested", "inner": {"kind": "length_normalised", "alpha": "x"}},
            ["$.scorer.inner.alpha"],
        ),
        ("plugged_parts:Missing", ["'plugged_parts:Missing' cannot be imported: AttributeError"]),
        ("no_such_module:Name", ["cannot be imported: ModuleNotFoundError"]),
        ("length_normalised:alpha", ["the settings of 'length_normalised' are written key=value", "not 'alpha'"]),
        ("cumulative:", ["the settings of 'cumulative' are written key=value"]),
        ("plugged_parts:Steps", ["Steps is not a scorer: it has no score"]),
        ("plugged_parts:__name__", ["neither a class nor a function"]),
        ("plugged_parts:Broken", ["RuntimeError: no room for 1"]),
        ("fancy", ["expected one of 'breadth_first'", "or the name of a scorer as 'package.module:Name', got 'fancy'"]),
        (3, ["got 3 @ $.scorer"]),
    ],
)
def test_a_wrong_part_is_told_with_everything_that_is_wrong(scorer: Any, problems: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read({"scorer": scorer, "concurrency": 0})
    said = "\n".join(caught.value.problems)
    assert all(problem in said for problem in [*problems, "$.concurrency"]), said


def test_a_module_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_own_scorer.py").write_text(
        "class Mine:\n    async def score(self, leaves):\n        return [0.0 for _ in leaves]\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert type(read({"scorer": "my_own_scorer:Mine"}).scorer).__name__ == "Mine"


def test_a_module_that_ends_the_program_is_a_mistake_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_script.py").write_text("raise SystemExit(4)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match="'a_script:Mine' cannot be imported: SystemExit: 4"):
        read({"scorer": "a_script:Mine"})


# --- as objects ---------------------------------------------------------------------------------


def test_an_object_is_written_by_its_path_and_fields_and_read_back(plugged: Any) -> None:
    config = RunConfig(scorer=plugged.Fancy(weight=2.0, table=Path("x"), key="hunter2"))
    assert unstructure_settings(config)["scorer"] == {
        "kind": "plugged_parts:Fancy",
        "weight": 2.0,
        "table": "x",
        "workers": 1,
    }
    assert "hunter2" not in to_toml(config)
    assert read_again(RunConfig(scorer=plugged.Fancy(weight=2.0))).scorer == plugged.Fancy(weight=2.0)
    plain = read_again(RunConfig(scorer=plugged.Plain(2.0, words=("a", "b")))).scorer
    assert vars(plain) == {"depth_bonus": 2.0, "words": ("a", "b")}


def test_parts_within_parts_are_written_and_read_back(plugged: Any) -> None:
    scorer = WeightedSum(
        [WeightedTerm(scorer=plugged.Nested(plugged.Fancy(weight=4.0), 3)), WeightedTerm(scorer=BreadthFirst())]
    )
    config = read_again(RunConfig(scorer=scorer))
    assert config.scorer == scorer
    origins = settings_that_matter(config)["part_origins"]
    assert origins.keys() == {"scorer.terms[0].scorer", "scorer.terms[0].scorer.inner"}


def test_what_cannot_be_found_again_is_refused_with_the_remedy(plugged: Any) -> None:
    for scorer, remedy in [
        (plugged.local_scorer(), "define it in a module"),
        (plugged.Forgetful(2.0), "set self.alpha"),
        (plugged.Greedy(x=1), "Greedy takes any keyword (**), so what it was made with cannot be read"),
        (plugged.Starred("a"), "Starred takes any arguments (*), so what it was made with cannot be read"),
        (plugged.Holding(numbers={"x": "y"}), "could not read {'x': 'y'}: expected a number, got 'y'"),
        (plugged.Plain(object()), "no setting can be a object: use numbers, texts, lists"),
        (plugged.Plain(array("f", [2.0])), "no setting can be a array.array: use what its .tolist() gives"),
        (plugged.Plain("1"), "could not read '1': expected a number"),
        (plugged.Plain(1.0, words=["a"]), "read ('a',) instead of ['a']: give that, or annotate it with its type"),
        (plugged.Fancy(table="x"), "instead of 'x': give that, or annotate it with its type"),
        (plugged.Unannotated(("a",)), "read ['a'] instead of ('a',): annotate it with its type"),
        (plugged.Nested(lambda _: [0.0]), "function is not a scorer: it has no score @ $.scorer.inner"),
    ]:
        with pytest.raises(ConfigError, match="cannot be written down") as caught:
            to_toml(RunConfig(scorer=scorer))
        assert remedy in str(caught.value)


@pytest.mark.parametrize("value", [Path("x"), ("a",), {"a": (1,)}, {1: 2}, "none", SearchOutcome.PROVED, [{3, 4}]])
def test_what_a_later_run_would_read_as_something_else_is_refused(plugged: Any, value: object) -> None:
    with pytest.raises(ConfigError, match=r"@ \$\.scorer\.value"):
        to_toml(RunConfig(scorer=plugged.Unannotated(value)))


@pytest.mark.parametrize("value", ["x", 1, 0.5, True, None, float("inf"), ["a", [1]], {"a": {"b": "c"}}])
def test_what_needs_no_annotation_is_read_back(plugged: Any, value: object) -> None:
    again = read_again(RunConfig(scorer=plugged.Unannotated(value))).scorer
    assert again.value == value  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("weight", "problem"),
    [("half", "expected a number"), (2**70, "at most 63 bits"), (float("nan"), "nan is equal to nothing")],
)
def test_what_no_later_run_could_read_is_refused(plugged: Any, weight: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        to_toml(RunConfig(scorer=plugged.Confided(weight)))


@pytest.mark.parametrize("settings", [{"weight": 1.0}, {"weight": 0.5}])
def test_a_part_that_would_be_another_one_if_it_was_made_of_what_it_keeps_is_refused(
    plugged: Any, settings: dict[str, Any]
) -> None:
    told = r"Doubling makes [12]\.0 of weight = .*, and of that [24]\.0, so that no later run .*@ \$\.scorer"
    with pytest.raises(ConfigError, match=told):
        read({"scorer": {"kind": "plugged_parts:Doubling", **settings}})
    assert read({"scorer": "plugged_parts:Doubling"}).scorer == plugged.Doubling(), "what is 0 stays so"


def test_a_part_that_keeps_what_is_no_setting_is_told_so_when_it_is_written_down(plugged: Any) -> None:
    config = read({"scorer": {"kind": "plugged_parts:Spread", "width": 3}})
    assert isinstance(config.scorer, plugged.Spread)
    with pytest.raises(ConfigError, match=r"no setting can be a numpy\.ndarray: use what its \.tolist\(\) gives"):
        to_toml(config)


def test_what_comes_into_one_form_and_what_has_no_constructor_are_read_back(plugged: Any) -> None:
    for table in ({}, {"word": "  b", "words": ["x", "y"]}):
        config = read({"scorer": {"kind": "plugged_parts:Tidying", **table}})
        scorer: Any = config.scorer
        assert read_again(config).scorer == attrs.evolve(scorer, words=list(scorer.words))
    config = read({"scorer": "plugged_parts:Avowed"})
    assert type(read_again(config).scorer) is plugged.Avowed
    with pytest.raises(ConfigError, match=r"unknown setting x \(known here: none\)"):
        read({"scorer": {"kind": "plugged_parts:Avowed", "x": 1}})


@pytest.mark.parametrize("name", ["HalfFancy", "HalfOfHalf"])
def test_a_partial_is_what_it_is_made_of_and_its_settings(plugged: Any, name: str) -> None:
    scorer = read({"scorer": {"kind": f"plugged_parts:{name}", "table": "t"}}).scorer
    assert scorer == plugged.Fancy(weight=0.5, table=Path("t"))
    with pytest.raises(ConfigError, match=r"unknown setting wait .*did you mean 'weight'"):
        read({"scorer": {"kind": f"plugged_parts:{name}", "wait": 1}})
    search = Part(plugged.Patient, {"patience": 5})
    for given in (
        Part(functools.partial(plugged.Patient, patience=5)),
        Part(functools.partial(plugged.Patient, patience=4), {"patience": 5}),
    ):
        config = RunConfig(parts=Parts(search=given))
        assert config.parts.search == search
        assert read_again(config).parts.search == search
    assert read({"parts": {"search": {"kind": "plugged_parts:PatientByFive"}}}).parts.search == search


def test_settings_within_settings_are_read_back(plugged: Any) -> None:
    inner = plugged.Settings(3, ["a", "none"])
    scorer = plugged.Rich(inner=inner, others=[inner, plugged.Settings()], beside=BreadthFirst())
    again = read_again(RunConfig(scorer=scorer)).scorer
    assert again == scorer
    with pytest.raises(ConfigError, match=r"unknown setting wdth .*@ \$\.scorer\.inner"):
        read({"scorer": {"kind": "plugged_parts:Rich", "inner": {"wdth": 2}}})


@pytest.mark.parametrize(
    "settings",
    [
        {"pair": ["cumulative", 2.0]},
        {"by_name": {"x": "cumulative", "y": {"kind": "random", "seed": 2}}},
        {"pairs": [["cumulative", 2.0], [{"kind": "plugged_parts:Fancy", "weight": 0.5}, 1.0]]},
        {"either": "random"},
        {"either": 2.5},
        {"lists": {"x": ["random", "none"], "y": []}},
        {"several": ["random", "cumulative"]},
        {"several": "random"},
        {"numbers": {"x": 1.5}},
    ],
)
def test_parts_inside_lists_and_tables_are_written_and_read_back(plugged: Any, settings: dict[str, Any]) -> None:
    config = read({"scorer": {"kind": "plugged_parts:Holding", **settings}})
    assert config.scorer != plugged.Holding()
    assert read_again(config) == config
    foreign = {"scorer", "scorer.pairs[1][0]"} if "pairs" in settings else {"scorer"}
    assert settings_that_matter(config)["part_origins"].keys() == foreign


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"pair": ["cumulative"]}, "expected a list of 2, got ['cumulative'] @ $.scorer.pair"),
        ({"pair": "cumulative"}, "expected a list, got 'cumulative' @ $.scorer.pair"),
        ({"pairs": [["cumulative", "x"]]}, "expected a number, got 'x' @ $.scorer.pairs[0][1]"),
        ({"by_name": "x"}, "expected a table, got 'x' @ $.scorer.by_name"),
        ({"numbers": {"x": "y"}}, "expected a number, got 'y' @ $.scorer.numbers['x']"),
        ({"lists": {"x": "random"}}, "expected a list, got 'random' @ $.scorer.lists['x']"),
    ],
)
def test_mistakes_inside_lists_and_tables_are_told_with_their_place(
    plugged: Any, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read({"scorer": {"kind": f"{plugged.__name__}:Holding", **settings}})
    assert caught.value.problems == (problem,)


def test_a_check_may_look_at_other_fields(plugged: Any) -> None:
    scorer = plugged.Ordered(low=2.0, high=3.0)
    assert read_again(RunConfig(scorer=scorer)).scorer == scorer
    with pytest.raises(ConfigError, match="high must not be below low"):
        read({"scorer": {"kind": "plugged_parts:Ordered", "low": 2.0, "high": 1.0}})


@pytest.mark.parametrize(
    "fields",
    [
        {"shade": "\ud800"},
        {"beside": 3},
        {"beside": [BreadthFirst()]},
        {"members": [BreadthFirst(), 1.0]},
        {"members": [object()]},
    ],
)
def test_what_a_file_could_not_hold_is_refused_before_any_work(plugged: Any, fields: dict[str, Any]) -> None:
    [name] = fields
    with pytest.raises(ConfigError, match=rf"@ \$\.scorer\.{name}"):
        to_toml(RunConfig(scorer=plugged.Rich(**fields)))


def test_what_toml_has_no_word_for_is_refused_before_any_work(plugged: Any) -> None:
    for value in (plugged.Shade.RED, plugged.Shade.NONE, "\ud800", {"\ud800": 1}, 10**5000):
        for scorer in (plugged.Unannotated(value), plugged.Rich(shade=value)):
            with pytest.raises(ConfigError, match=r"@ \$\.scorer\."):
                to_toml(RunConfig(scorer=scorer))


def test_a_setting_cannot_be_called_as_the_part_is_named(plugged: Any) -> None:
    for ask in (lambda: to_toml(RunConfig(scorer=plugged.Kinded())), lambda: read({"scorer": "plugged_parts:Kinded"})):
        with pytest.raises(ConfigError, match="has a setting called kind"):
            ask()


def test_a_part_that_cannot_say_what_it_was_made_with_is_refused(plugged: Any) -> None:
    with pytest.raises(ConfigError, match="'weight' cannot be read from Unreadable: RuntimeError: not loaded yet"):
        to_toml(RunConfig(scorer=plugged.Unreadable()))


def test_a_secret_of_a_part_is_not_shown(plugged: Any) -> None:
    assert repr(Part(plugged.Confided, {"weight": 2.0, "key": "hunter2"})).endswith("fields={'weight': 2.0})")
    assert "hunter2" not in repr(Part(type.__call__, {"key": "hunter2"}))


def test_code_in_an_archive_is_known_by_the_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("packed/__init__.py", "")
        archive.writestr("packed/parts.py", "class Mine:\n    async def score(self, leaves):\n        return []\n")
    monkeypatch.syspath_prepend(str(path))
    config = read({"scorer": "packed.parts:Mine"})
    assert read_again(config).scorer is not config.scorer
    [origin] = settings_that_matter(config)["part_origins"].values()
    assert origin["sources"] == {"packed.zip": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_code_from_no_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="builtins:dict comes from no file"):
        to_toml(RunConfig(parts=Parts(policy=Part(dict))))


def test_a_dataclass_has_secrets_and_fields_that_do_not_matter_too(plugged: Any) -> None:
    config = RunConfig(scorer=plugged.Confided(key="hunter2"))
    assert "hunter2" not in to_toml(config)
    assert "hunter2" not in str(settings_that_matter(config))
    other = RunConfig(scorer=plugged.Confided(workers=2))
    assert settings_that_matter(other) == settings_that_matter(config)
    assert to_toml(other) != to_toml(config)


def test_a_part_that_could_not_be_built_is_refused_before_any_work(plugged: Any) -> None:
    for parts, problem in [
        (
            Parts(search=Part(BestFirstSearch, {"widht": 1})),
            "BestFirstSearch takes no setting widht (known here: clock)",
        ),
        (Parts(search=Part(BestFirstSearch, {"policy": 1})), "takes no setting policy"),
        (Parts(search=plugged.Fancy), "Fancy is not a search: it has no run"),
        (Parts(policy=Part(ScriptedPolicy)), "ScriptedPolicy needs script"),
    ]:
        with pytest.raises(ConfigError, match="cannot be written down") as caught:
            to_toml(RunConfig(parts=parts))
        assert problem in str(caught.value)


def test_what_stands_in_the_wrong_place_is_told_the_right_one(plugged: Any) -> None:
    for scorer in (plugged.Fancy, Part(plugged.Fancy)):
        with pytest.raises(TypeError, match=r"a scorer is the object itself, .*: call Fancy"):
            RunConfig(scorer=scorer)  # type: ignore[arg-type]
    for search in (functools.partial(BestFirstSearch), object()):
        with pytest.raises(TypeError, match="a run makes its search itself"):
            Parts(search=search)
    with pytest.raises(TypeError, match="WeightedTerm"):
        WeightedSum([(1.0, BreadthFirst())])  # type: ignore[list-item]


async def test_it_is_refused_before_any_work(
    tmp_path: Path, plugged: Any, numbers: Numbers, toy_bench: ToyBench, world: ToyWorld
) -> None:
    run = SearchRun(RunConfig(scorer=plugged.local_scorer()), numbers(1), tmp_path / "run", opening=toy_bench(world))
    with pytest.raises(ConfigError, match=r"\$\.scorer"):
        await run.run()
    assert not (tmp_path / "run").exists()


def test_an_object_without_the_methods_is_refused_at_once(plugged: Any) -> None:
    with pytest.raises(TypeError, match="Steps is not a scorer: it has no score"):
        RunConfig(scorer=plugged.Steps(0))
    with pytest.raises(TypeError, match="Fancy is not a policy: it has no propose"):
        Parts(policy=plugged.Fancy())


def test_a_script_is_found_by_the_name_of_its_file(plugged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class_of_a_script = type("Mine", (plugged.Fancy,), {"__module__": "__main__", "__qualname__": "Mine"})
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "Mine", class_of_a_script, raising=False)
    monkeypatch.setattr(main, "__spec__", None)
    monkeypatch.setattr(main, "__file__", str(Path(__file__).parent / "plugged_parts.py"), raising=False)
    config = RunConfig(scorer=class_of_a_script())
    assert unstructure_settings(config)["scorer"]["kind"] == "plugged_parts:Mine"
    monkeypatch.setattr(main, "__file__", "my-run.py")
    with pytest.raises(ConfigError, match=r"my-run\.py cannot be imported by that name"):
        to_toml(config)
    monkeypatch.delattr(main, "__file__")
    with pytest.raises(ConfigError, match="at a prompt or in a notebook"):
        to_toml(config)


# --- where they came from -----------------------------------------------------------------------


def test_a_run_says_which_code_a_part_was(plugged: Any) -> None:
    origins = settings_that_matter(RunConfig(scorer=plugged.Fancy(), parts=Parts(policy=plugged.Steps)))["part_origins"]
    sources = {"plugged_parts.py": hashlib.sha256(Path(plugged.__file__).read_bytes()).hexdigest()}
    assert origins == {
        "scorer": {"kind": "plugged_parts:Fancy", "package": "none", "sources": sources},
        "parts.policy": {"kind": "plugged_parts:Steps", "package": "none", "sources": sources},
    }
    assert "part_origins" not in settings_that_matter(RunConfig(scorer=BreadthFirst()))


def test_a_parts_own_settings_are_compared_beside_its_code(plugged: Any) -> None:
    matter = settings_that_matter(RunConfig(parts=Parts(policy=Part(plugged.Shorter, {"most": 3}))))
    assert matter["parts"]["policy"] == {"kind": "plugged_parts:Shorter", "most": 3}
    assert matter["part_origins"].keys() == {"parts.policy"}


def test_only_fields_that_matter_are_compared(plugged: Any) -> None:
    def matter(**fields: Any) -> dict[str, Any]:
        return settings_that_matter(RunConfig(scorer=plugged.Fancy(**fields)))

    assert matter(workers=3, key="k") == matter()
    assert matter(weight=3.0) != matter()


@pytest.mark.parametrize(
    ("module", "beside"),
    [
        ("changing_scorer", "changing_scorer.py"),
        ("changing_package.parts.scorer", "changing_package/parts/scorer.py"),
        ("changing_house.parts.scorer", "changing_house/helper.py"),
        ("changing_namespace.scorer", "changing_namespace/helper.py"),
    ],
)
async def test_a_part_whose_source_changed_is_not_resumed_unless_one_insists(
    tmp_path: Path,
    config: RunConfig,
    world: ToyWorld,
    numbers: Numbers,
    toy_bench: ToyBench,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    beside: str,
) -> None:
    file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
    file.parent.mkdir(parents=True, exist_ok=True)
    changing = tmp_path / beside
    if file.parent.name == "parts":
        (file.parent / "__init__.py").touch()
        (file.parent.parent / "__init__.py").touch()
    changing.touch()
    file.write_text("class Mine:\n    async def score(self, leaves):\n        return [0.0 for _ in leaves]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    config = attrs.evolve(config, scorer=importlib.import_module(module).Mine())
    await SearchRun(config, numbers(1), tmp_path / "run", opening=toy_bench(world)).run()
    changing.write_text(changing.read_text() + "# changed\n")
    with pytest.raises(ConfigError, match=re.escape(f"$.config.part_origins.scorer.sources.{beside}: ")) as caught:
        await SearchRun(config, numbers(1, 2), tmp_path / "run", resume=True, opening=toy_bench(world)).run()
    assert "--resume-anyway" in str(caught.value)
    assert str(caught.value).count(".sources.") == 1
    assert hashlib.sha256(changing.read_bytes()).hexdigest()[:8] in str(caught.value)
    summary = await SearchRun(
        config, numbers(1, 2), tmp_path / "run", resume_anyway=True, opening=toy_bench(world)
    ).run()
    assert summary.totals.proved == 2
    assert beside in summary.resumed_despite[0]


# --- policies and energy models -----------------------------------------------------------------


@pytest.fixture
def fake_lean() -> RunConfig:
    return RunConfig(lean=LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()), num_workers=1))


def test_a_policy_with_settings_is_written_and_read_back(plugged: Any) -> None:
    for policy in (plugged.Steps, Part(plugged.Steps, {"tactics": ("done",)}), Part(plugged.Shorter, {"most": 3})):
        parts = Parts(policy=policy)
        assert read_again(RunConfig(parts=parts)).parts == parts
    table = {"parts": {"policy": {"kind": "plugged_parts:Steps", "tactics": ["a"]}}}
    assert read(table).parts.policy == Part(plugged.Steps, {"tactics": ("a",)})
    with pytest.raises(ConfigError, match=r"unknown setting seed \(known here: tactics\)"):
        read({"parts": {"policy": {"kind": "plugged_parts:Steps", "seed": 3}}})


async def test_a_policy_that_needs_no_server_starts_none(plugged: Any, fake_lean: RunConfig, observer: Any) -> None:
    config = attrs.evolve(fake_lean, seed=7, parts=Parts(policy=plugged.Steps))
    assert not config.needs_server
    assert not config.uses_embedded_server
    async with open_workbench(config, observer) as bench:
        policy: Any = bench.policy
        assert (policy.seed, policy.is_open) == (7, True)
        result = await bench.start_search(config.search).run(Theorem.of("P"))
        assert result.certificate is not None
    assert not policy.is_open
    assert not any("server" in getattr(event, "stage", "") for event in observer.events)


async def test_parts_get_what_they_name(plugged: Any, fake_lean: RunConfig, observer: Any) -> None:
    parts = Parts(policy=Part(plugged.Shorter, {"most": 2}), energy_model=Part(plugged.Lengths, {"scale": 2.0}))
    config = attrs.evolve(fake_lean, parts=parts)
    assert config.needs_server
    async with open_workbench(config, observer) as bench:
        states = [leaf.state for leaf in SAMPLE_LEAVES]
        assert 0 < len(await bench.policy.propose(states[0], 16)) <= 2
        assert bench.energy is not None
        energies = await bench.energy.energies(states)
    assert len(set(energies)) == len(states)


async def test_an_object_given_directly_is_used_itself(plugged: Any, fake_lean: RunConfig, observer: Any) -> None:
    policy = plugged.Steps(3)
    async with open_workbench(attrs.evolve(fake_lean, parts=Parts(policy=policy)), observer) as bench:
        assert bench.policy is policy


async def test_what_a_factory_opens_is_the_part(plugged: Any) -> None:
    async with AsyncExitStack() as stack:
        policy: Any = await enter_part(stack, FAMILIES[TacticPolicy], Part(plugged.opened), seed=1, encoder=None)
        assert policy.tactics == ("done",)
    with pytest.raises(ConfigError, match="Steps is not an energy model: it has no energies"):
        async with AsyncExitStack() as stack:
            await enter_part(stack, FAMILIES[EnergyModel], Part(plugged.Steps), seed=1)


def failing(how: str) -> Any:
    """A policy that breaks off when it is entered or left, in one of several ways."""

    async def fail() -> None:
        if how == "exits":
            raise SystemExit(0)
        if how == "cancels":
            raise asyncio.CancelledError
        if how == "closes":
            raise GeneratorExit
        if how == "blames":
            raise WorkerDied("it died")
        raise ValueError("no connection")

    return fail


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("raises", "ValueError: no connection"),
        ("exits", "SystemExit: 0"),
        ("cancels", "Cancelled"),
        ("closes", "GeneratorExit"),
        ("blames", "WorkerDied: it died"),
    ],
)
async def test_a_part_that_breaks_off_when_it_is_entered_is_named(plugged: Any, how: str, said: str) -> None:
    class Failing(plugged.Steps):  # type: ignore[misc]
        async def __aenter__(self) -> Any:
            await failing(how)()

    async with AsyncExitStack() as stack:
        with pytest.raises(PartBroken, match=f"the policy, when it was started, raised {said}"):
            await enter_part(stack, FAMILIES[TacticPolicy], Part(Failing), seed=0)


@pytest.mark.parametrize("error", [ConfigError("no key"), PolicyUnavailable("down"), EnergyError("no head")])
async def test_a_part_may_say_that_it_cannot_start(plugged: Any, error: Exception) -> None:
    class Failing(plugged.Steps):  # type: ignore[misc]
        async def __aenter__(self) -> Any:
            raise error

    async with AsyncExitStack() as stack:
        with pytest.raises(type(error), match=str(error)):
            await enter_part(stack, FAMILIES[TacticPolicy], Part(Failing), seed=0)


@pytest.mark.parametrize("how", ["raises", "exits", "cancels", "closes", "blames", "hides"])
@pytest.mark.parametrize("end", [None, KeyError("the story"), WorkerDied("the story"), asyncio.CancelledError()])
async def test_a_part_that_is_left_changes_nothing_of_how_the_run_ended(
    plugged: Any, how: str, end: BaseException | None, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(plugged.Steps):  # type: ignore[misc]
        async def __aexit__(self, *_: object) -> Any:
            if how != "hides":
                await failing(how)()
            return True

    stack = AsyncExitStack()
    await enter_part(stack, FAMILIES[TacticPolicy], Part(Failing), seed=0)
    assert not await stack.__aexit__(None if end is None else type(end), end, None)
    assert ("What was found stays" in caplog.text) == (how != "hides")


async def test_a_part_that_cannot_be_made_says_whose_fault_it_is(plugged: Any) -> None:
    with pytest.raises(
        ConfigError, match="Broken could not be made, and leanebm only called it: RuntimeError: no room"
    ):
        async with AsyncExitStack() as stack:
            await enter_part(stack, FAMILIES[TacticPolicy], Part(plugged.Broken))


def test_what_our_code_refuses_about_a_part_is_told_as_it_is() -> None:
    class Idle(BestFirstSearch):
        async def on_node(self, *_: Any) -> None:  # type: ignore[override]
            """Nobody would await it."""

    with pytest.raises(ConfigError, match=r"^\S+Idle\.on_node must be a plain `def`"):
        Part(Idle).build(policy=None, environment=None, certifier=None)


def test_a_search_with_settings_is_written_and_read_back(plugged: Any) -> None:
    assert read({}).parts.search == Part(BestFirstSearch)
    for search in (plugged.Patient, Part(plugged.Patient, {"patience": 3}), plugged.OneTactic):
        parts = Parts(search=search)
        assert read_again(RunConfig(parts=parts)).parts == parts
    assert read({"parts": {"search": "best_first"}}).parts.search == Part(BestFirstSearch)
    with pytest.raises(ConfigError, match=r"unknown setting patients \(known here: patience\)"):
        read({"parts": {"search": {"kind": "plugged_parts:Patient", "patients": 3}}})
    with pytest.raises(ConfigError, match="Steps is not a search: it has no run"):
        read({"parts": {"search": "plugged_parts:Steps"}})


def test_searches_around_one_another_are_written_and_read_back(plugged: Any) -> None:
    stack = stacked(ProbingSearch, plugged.Patient, PuctSearch)
    parts = Parts(search=Part(stack, {"probes": ("rfl",), "patience": 2, "c": 0.5}))
    assert read_again(RunConfig(parts=parts)).parts == parts
    kind = "probing+plugged_parts:Patient+puct"
    matter = settings_that_matter(RunConfig(parts=parts))
    assert matter["parts"]["search"] == {
        "kind": kind,
        "probes": ["rfl"],
        "patience": 2,
        "c": 0.5,
        "log_prob": -1.0,
    }
    assert matter["part_origins"].keys() == {"parts.search[1]"}
    assert part_table(f"{kind}:patience=2,c=0.5") == {"kind": kind, "patience": 2, "c": 0.5}
    with pytest.raises(ConfigError, match=r"unknown setting width \(known here: c, patience, probes, log_prob\)"):
        read({"parts": {"search": {"kind": kind, "width": 3}}})
    with pytest.raises(ConfigError, match=r"LimitsSearch does not build on the select.*@ \$.parts.search"):
        read({"parts": {"search": "limits+puct"}})
    with pytest.raises(ConfigError, match="c weighs exploration"):
        read({"parts": {"search": {"kind": "probing+puct", "c": -1.0}}})
    with pytest.raises(ConfigError, match="is not made of BestFirstSearch"):
        read({"parts": {"search": "probing+plugged_parts:OneTactic"}})


@pytest.mark.parametrize("name", ["Patient", "OneTactic"])
async def test_a_search_is_made_of_the_runs_parts(plugged: Any, fake_lean: RunConfig, observer: Any, name: str) -> None:
    search = Part(getattr(plugged, name), {"patience": 2} if name == "Patient" else {})
    parts = Parts(policy=Part(plugged.Steps, {"tactics": ("done",)}), search=search)
    config = attrs.evolve(fake_lean, parts=parts)
    async with open_workbench(config, observer) as bench:
        searcher = bench.start_search(config.search)
        results = [await searcher.run(Theorem(name=name, statement="P")) for name in ("one", "two")]
    assert all(result.certificate is not None for result in results)


def test_a_run_has_one_energy_model(plugged: Any, tmp_path: Path) -> None:
    parts = Parts(energy_model=plugged.Lengths)
    with pytest.raises(ValueError, match="a run has one energy model"):
        attrs.evolve(RunConfig(parts=parts), energy=attrs.evolve(RunConfig().energy, path=tmp_path))


# --- on the command line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("breadth_first", {"kind": "breadth_first"}),
        ("a.b:C", {"kind": "a.b:C"}),
        ("length_normalised:alpha=1.0", {"kind": "length_normalised", "alpha": 1.0}),
        ("a.b:C:n=3,name=plain-word", {"kind": "a.b:C", "n": 3, "name": "plain-word"}),
        (
            'k:words=[\'a,b\', "c]"],t={kind="x", n=[1,2]}',
            {"kind": "k", "words": ["a,b", "c]"], "t": {"kind": "x", "n": [1, 2]}},
        ),
        ("k:url=http://host:1/a=b, on = true,", {"kind": "k", "url": "http://host:1/a=b", "on": True}),
    ],
)
def test_a_part_on_the_command_line_is_a_table(text: str, table: dict[str, Any]) -> None:
    assert part_table(text) == table


@pytest.mark.parametrize("text", ["k:a=1,a=2", "k:a=1,b", "k:a=[1", "k:3x=1", 'k:a="1'])
def test_a_part_that_is_no_table_is_told_with_what_is_wrong(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected KIND|twice|neither"):
        part_table(text)


# --- registered by packages ---------------------------------------------------------------------


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Installs the metadata of a package that registers scorers."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, version: str, **scorers: str) -> None:
        info = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "top_level.txt").write_text("plugged_parts\n")
        lines = [f"{word} = {path}" for word, path in scorers.items()]
        (info / "entry_points.txt").write_text("\n".join(["[leanebm.scorers]", *lines, ""]))

    return install


def test_a_word_of_an_installed_package_names_its_scorer(plugged: Any, package: Callable[..., None]) -> None:
    package("fancy-scorers", "1.2", fancy="plugged_parts:Fancy", breadth_first="plugged_parts:Fancy")
    config = read({"scorer": {"kind": "fancy", "weight": 2.0}})
    assert config.scorer == plugged.Fancy(weight=2.0)
    assert settings_that_matter(config)["part_origins"]["scorer"]["package"] == "fancy-scorers 1.2"
    assert read({"scorer": "breadth_first"}).scorer == BreadthFirst(), "our words cannot be taken"
    with pytest.raises(ConfigError, match=r"'fancy', 'goal_count'"):
        read({"scorer": "fency"})


@pytest.mark.usefixtures("plugged")
def test_a_word_of_two_packages_is_refused(package: Callable[..., None]) -> None:
    package("one", "1", fancy="plugged_parts:Fancy")
    package("two", "1", fancy="plugged_parts:Plain")
    with pytest.raises(ConfigError, match="several packages call a scorer 'fancy'"):
        read({"scorer": "fancy"})


async def test_scorers_of_both_kinds_score(plugged: Any) -> None:
    leaves: tuple[Leaf, ...] = SAMPLE_LEAVES
    nested = plugged.Nested(LengthNormalisedLogProb(), 2)
    assert list(await nested.score(leaves)) == [2 * each for each in await LengthNormalisedLogProb().score(leaves)]
