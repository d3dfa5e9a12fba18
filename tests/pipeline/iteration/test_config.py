from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from leanebm.errors import ConfigError
from leanebm.pipeline import EMBEDDED_SERVER_URL, LIBRARY_MODULES, RunConfig, structure_settings, to_toml
from leanebm.pipeline.energy.counting_encoder import CountingEncoder
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig
from leanebm.pipeline.iteration.config import IterationConfig, IterationSettings, TheoremSources
from leanebm.policy import PolicyClientConfig

THEOREMS = '[theorems]\ntrain = "bundled"\nvalidation = "conjectures:val"\n'


def read(tmp_path: Path, text: str) -> IterationSettings:
    path = tmp_path / "iterate.toml"
    path.write_text(text)
    return IterationSettings.read(path)


def test_a_file_needs_to_name_its_theorems_only(tmp_path: Path) -> None:
    settings = read(tmp_path, THEOREMS)
    assert settings.theorems == TheoremSources(train="bundled", validation="conjectures:val")
    assert settings.run.policy.url == EMBEDDED_SERVER_URL
    assert settings.rounds == IterationConfig().rounds


def test_what_is_written_down_reads_back_equal(tmp_path: Path) -> None:
    run = "[run.search.budget]\nmax_expansions = 8\n[head]\nhidden = [8]\n"
    settings = read(tmp_path, f"rounds = 2\nalphas = [1.0]\n{THEOREMS}max_train = 12\n{run}")
    assert settings.run.search.budget.max_expansions == 8
    assert settings.theorems.max_train == 12
    assert settings.head.hidden == (8,)
    assert read(tmp_path, to_toml(settings)) == settings


def test_every_mistake_is_listed(tmp_path: Path) -> None:
    wrong = "rounds = 0\nbetas = []\nbudget_growth = 0.5\none_tactic_share = 2\ngate_p = 0\nround = 1\n"
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, wrong)
    places = {problem.rpartition(" @ ")[2] for problem in caught.value.problems}
    assert places == {"$.rounds", "$.betas", "$.budget_growth", "$.one_tactic_share", "$.gate_p", "$.theorems", "$"}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('[run.energy]\npath = "head"\n', "trains its own energy heads"),
        ('[run]\nscorer = "breadth_first"\n', "chooses its scorer"),
        ('[run.parts]\nencoder = "counts"\n', "give parts.encoder as head.encoder"),
        ('[finetune]\nmodel = "models/tiny"\n', "no language model to fine-tune"),
        ('[head.policy]\nurl = "http://127.0.0.1:9"\n', "leave policy out of head"),
    ],
)
def test_what_the_iteration_chooses_cannot_be_given(tmp_path: Path, lines: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(tmp_path, f"{THEOREMS}{lines}")


def test_theorems_of_the_library_get_its_modules(tmp_path: Path) -> None:
    settings = read(tmp_path, '[theorems]\ntrain = "library:train"\nvalidation = "library:val"\n')
    assert settings.run.lean.imports == LIBRARY_MODULES


def test_a_head_has_the_encoder_of_the_searches_unless_it_sees_counts() -> None:
    run = RunConfig(policy=PolicyClientConfig(url="http://127.0.0.1:9"))
    assert IterationConfig(run=run).head_training.policy == run.policy
    counting = EnergyTrainingConfig(encoder=CountingEncoder())
    assert IterationConfig(run=run, head=counting).head_training == counting


def test_the_budget_grows_up_to_a_limit() -> None:
    config = structure_settings(
        {"budget_growth": 1.5, "max_expansions": 30, "run": {"search": {"budget": {"max_expansions": 10}}}},
        IterationConfig,
        source="a test",
    )
    assert [config.budget(number) for number in range(5)] == [10, 15, 22, 30, 30]
    assert attrs.evolve(config, budget_growth=1.0).budget(3) == 10
    assert attrs.evolve(config, budget_growth=1e300).budget(3) == 30
    assert attrs.evolve(config, budget_growth=1e300, max_expansions=None).budget(9) == 2**31
    with pytest.raises(ValueError, match="begins with 10 expansions and would stop growing at 5"):
        attrs.evolve(config, max_expansions=5)


def test_so_many_are_taken_from_all_over_a_set() -> None:
    sources = TheoremSources(train="bundled", validation="conjectures:val", max_train=3, max_validation=2)
    theorems = sources.load(("Init",))
    assert (len(theorems.train), len(theorems.validation), theorems.test) == (3, 2, ())
    with pytest.raises(ConfigError, match="name of a theorem of train"):
        TheoremSources(train="bundled", validation="bundled").load(("Init",))
