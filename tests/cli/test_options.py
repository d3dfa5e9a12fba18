from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
from click.testing import CliRunner, Result

from leanebm.cli import main
from leanebm.cli._options import lean_options, run_options
from leanebm.core import Theorem
from leanebm.data import KnownProof, write_tactic_pairs
from leanebm.energy.training import RankingLoss
from leanebm.errors import ConfigError
from leanebm.lean import EmbeddedBackend, LeanPoolConfig, NativeBackend, PantographBackend
from leanebm.pipeline import AUTOMATION, LIBRARY_MODULES, SHIPPED_HEAD, NegativesConfig, RunConfig, read_run_config
from leanebm.pipeline.part_check import PART_KINDS
from leanebm.policy import PROMPT_FORMATS, EncoderBackend, PolicyApi


@pytest.fixture(autouse=True)
def _no_toolchain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.config.best_backend", EmbeddedBackend)


def parsed(*arguments: str, env: dict[str, str] | None = None) -> RunConfig:
    @click.command()
    @run_options(many=True)
    @click.pass_context
    def command(context: click.Context, *, config: RunConfig) -> None:
        context.meta["config"] = config
        seen.append(config)

    seen: list[RunConfig] = []
    CliRunner(env=env).invoke(command, arguments, catch_exceptions=False)
    return seen[0]


def test_without_options_the_defaults_hold() -> None:
    assert parsed() == RunConfig()


@pytest.mark.parametrize(
    ("arguments", "reach", "expected"),
    [
        (["--budget", "7"], lambda config: config.search.budget.max_expansions, 7),
        (["--wall-s", "2.5"], lambda config: config.search.budget.max_wall_s, 2.5),
        (["--candidates", "9"], lambda config: config.search.candidates_per_state, 9),
        (["--adapter", "round-1"], lambda config: config.policy.adapter, "round-1"),
        (["--prompt-format", "prefix"], lambda config: config.policy.prompt_format, "prefix"),
        (["--patience", "3"], lambda config: config.policy.connect_patience_s, 3.0),
        (["--server-url", "http://h:1/"], lambda config: config.policy.url, "http://h:1"),
        (
            ["--server-url", "http://h:1/", "--server-url", "http://g"],
            lambda config: config.policy.url,
            "http://h:1,http://g",
        ),
        (["--encode-url", "file:hosts"], lambda config: config.policy.encoder.url, "file:hosts"),
        (["--api", "openai-chat"], lambda config: config.policy.api, PolicyApi.OPENAI_CHAT),
        (["--model", "prover"], lambda config: config.policy.model, "prover"),
        (["--encoder", "sglang_encode"], lambda config: config.policy.encoder.backend, EncoderBackend.SGLANG_ENCODE),
        (["--encode-url", "http://h:2"], lambda config: config.policy.encoder.url, "http://h:2"),
        (["--ebm-device", "cuda:1", "--ebm-path", "/"], lambda config: config.energy.device, "cuda:1"),
        (["--ebm-path", "logic"], lambda config: config.energy.path, SHIPPED_HEAD),
        (["--temperature", "0.7"], lambda config: config.policy.temperature, 0.7),
        (["--samples-per-candidate", "3"], lambda config: config.policy.samples_per_candidate, 3),
        (["--max-tactic-tokens", "64"], lambda config: config.policy.max_tactic_tokens, 64),
        (["--whole-proofs"], lambda config: config.policy.whole_proofs, True),
        (["--imports", "Init, Std"], lambda config: config.lean.imports, ("Init", "Std")),
        (["--num-workers", "5"], lambda config: config.lean.num_workers, 5),
        (["--concurrency", "9"], lambda config: config.concurrency, 9),
        (["--lean", "embedded"], lambda config: config.lean.backend, EmbeddedBackend()),
    ],
)
def test_each_option_reaches_its_setting(arguments: list[str], reach: Any, expected: object) -> None:
    assert reach(parsed(*arguments)) == expected


@pytest.mark.parametrize(
    ("arguments", "noted"),
    [
        (["--whole-proofs"], "note: --whole-proofs changes nothing: the policy is the symbolic one"),
        (["--encoder", "sglang_encode"], "note: --encoder changes nothing: nothing asks the server for embeddings"),
        (["--whole-proofs", "--server-url", "http://h:1"], ""),
        ([], ""),
    ],
)
def test_an_option_that_changes_nothing_is_told_of(arguments: list[str], noted: str) -> None:
    @click.command()
    @run_options(many=True)
    def command(*, config: RunConfig) -> None:
        assert isinstance(config, RunConfig)

    stderr = CliRunner().invoke(command, arguments, catch_exceptions=False).stderr
    assert stderr.startswith(noted)
    assert bool(stderr) is bool(noted)


def test_a_file_of_addresses_stands_alone() -> None:
    @click.command()
    @run_options(many=True)
    def command(*, config: RunConfig) -> None:
        pytest.fail(f"{config} should be refused")

    arguments = ["--server-url", "file:hosts", "--server-url", "http://g"]
    assert "one file of them" in CliRunner().invoke(command, arguments).output


def test_a_project_means_the_native_lean_in_it(tmp_path: Path) -> None:
    assert parsed("--project", str(tmp_path)).lean.backend == NativeBackend(project=tmp_path)


def test_a_project_goes_to_the_lean_that_was_chosen(tmp_path: Path) -> None:
    binary, project = tmp_path / "repl", ("--project", str(tmp_path))
    pantograph = PantographBackend(binary=binary, project=tmp_path)
    assert parsed("--lean", f"pantograph:binary={binary}", *project).lean.backend == pantograph
    assert parsed("--lean", "auto", *project).lean.backend == NativeBackend(project=tmp_path)
    settings = tmp_path / "run.toml"
    for text in (f"backend = {{kind = 'pantograph', binary = '{binary}', project = '/another'}}", "backend = 'native'"):
        settings.write_text(f"[lean]\n{text}\n")
        expected = pantograph if "binary" in text else NativeBackend(project=tmp_path)
        assert parsed("--config", str(settings), *project).lean.backend == expected


def test_a_project_goes_to_the_pantograph_that_was_built_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leanebm.lean.config.bundled_pantograph", lambda: tmp_path / "repl")
    backend = parsed("--lean", "pantograph", "--project", str(tmp_path)).lean.backend
    assert backend == PantographBackend(binary=tmp_path / "repl", project=tmp_path)


@pytest.mark.parametrize(
    ("lean", "told"),
    [
        ("embedded", "the embedded Lean reads no Lake project: leave it out, or choose --lean native"),
        ("auto:nonsense=1", "unknown setting nonsense"),
        ("pantograph", "- there is no built Pantograph at vendor/Pantograph"),
    ],
)
def test_what_a_lean_does_not_take_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lean: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=rf"(?s){told}.* @ --(project|lean)"):
        parsed("--lean", lean, "--project", str(tmp_path))


def test_the_help_says_what_is_different_over_mathlib() -> None:
    usual, mathlib = LeanPoolConfig.embedded(), LeanPoolConfig.embedded(imports=["Mathlib"])
    told = _option("search", "num_workers").help
    assert told is not None
    for words in (
        f"grow to {mathlib.max_rss_mib} MiB",
        f"{mathlib.max_starting} start at a time",
        f"start may take {mathlib.startup_deadline_s:g} s",
        f"a tactic {mathlib.tactic_timeout_s:g} s instead of {usual.tactic_timeout_s:g}",
    ):
        assert words in told


def test_a_key_may_come_from_the_environment() -> None:
    assert parsed(env={"LEANEBM_API_KEY": "hunter2"}).policy.api_key == "hunter2"


def test_options_outweigh_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("concurrency = 3\n[search.budget]\nmax_expansions = 5\n")
    config = parsed("--config", str(path), "--budget", "6")
    assert (config.concurrency, config.search.budget.max_expansions) == (3, 6)


def test_a_command_without_workers_of_its_own_does_not_ask_for_them() -> None:
    @click.command()
    @lean_options(many=False)
    def command(*, config: RunConfig) -> None:
        raise AssertionError(config)

    names = {parameter.name for parameter in command.params}
    assert names == {"config_file", "lean", "project"}


def _option(command: str, parameter: str) -> click.Option:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    option = next(each for each in found.params if each.name == parameter)
    assert isinstance(option, click.Option)
    return option


@pytest.mark.parametrize(
    ("command", "parameter", "expected"),
    [
        ("search", "encoder", [each.value for each in EncoderBackend]),
        ("train-ebm", "encoder", [each.value for each in EncoderBackend]),
        ("search", "api", [each.value for each in PolicyApi]),
        ("search", "prompt_format", sorted(PROMPT_FORMATS)),
        ("train-ebm", "loss", [each.value for each in RankingLoss]),
        ("check", "kind", list(PART_KINDS)),
    ],
)
def test_a_choice_has_the_words_that_the_library_knows(command: str, parameter: str, expected: list[str]) -> None:
    """They are spelt out where options are declared, for to import them would load what does the work."""
    choice = _option(command, parameter).type
    assert isinstance(choice, click.Choice)
    assert list(choice.choices) == expected


@pytest.mark.parametrize(
    ("command", "parameter", "expected"),
    [
        ("probe", "tactics", AUTOMATION),
        ("extract-library", "modules", LIBRARY_MODULES),
        *(("generate-negatives", field.name, field.default) for field in attrs.fields(NegativesConfig)),
    ],
)
def test_an_option_has_the_default_that_the_library_has(command: str, parameter: str, expected: object) -> None:
    option = _option(command, parameter)
    context = click.Context(click.Command(command))
    assert option.process_value(context, option.get_default(context)) == expected


DRY = {
    "eval": ["--theorems", "bundled", "--arm", "plain=", "--arm", "broad=--scorer breadth_first"],
    "tune": ["--theorems", "bundled", "--alphas", "0,1"],
    "generate-negatives": ["--tactic-pairs", "pairs.jsonl"],
}


@pytest.mark.parametrize("name", DRY)
def test_what_a_job_would_do_can_be_looked_at_and_its_settings_be_given_back(
    leanebm_command: Callable[..., Result], name: str
) -> None:
    proof = KnownProof(theorem=Theorem(name="a", statement="A"), tactics=("x", "y"), states=("⊢ A", "⊢ B"))
    write_tactic_pairs("pairs.jsonl", proof.pairs)
    command = [name, *DRY[name], "--output", "out", "--dry-run"]
    result = leanebm_command(*command, "--budget", "7")
    assert (result.exit_code, "would " in result.stderr, "would " in result.stdout) == (0, True, False)
    Path("run.toml").write_text(result.stdout)
    assert read_run_config(Path("run.toml")).search.budget.max_expansions == 7
    assert leanebm_command(*command, "--config", "run.toml").stdout == result.stdout
    assert ("  broad: scorer.kind = breadth_first\n" in result.stderr) is (name == "eval")
    assert leanebm_command(*command, "--num-workers", "0").exit_code == 2
    if name != "generate-negatives":
        assert "--json is for what is found" in leanebm_command(*command, "--json").stderr
    assert not Path("out").exists()
