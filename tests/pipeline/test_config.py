from __future__ import annotations

import os
import re
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from leanebm.core import EncoderIdentity, ProofState, StateEncoder, StateScorer
from leanebm.core.certificate import OUR_BACKENDS
from leanebm.errors import ConfigError
from leanebm.lean import EmbeddedBackend, LeanBackend, LeanPoolConfig, NativeBackend
from leanebm.pipeline import (
    EMBEDDED_SERVER_URL,
    SHIPPED_HEAD,
    EnergyConfig,
    Override,
    Part,
    Parts,
    RunConfig,
    RunFolder,
    read_run_config,
    structure_settings,
    to_toml,
)
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig
from leanebm.pipeline.parts import FAMILIES
from leanebm.policy import EncoderConfig, PolicyClientConfig
from leanebm.search import WholeProofSearch
from leanebm.search.scorers import BreadthFirst, DepthRamp, LengthNormalisedLogProb, NegativeEnergy
from leanebm.testing import ScriptedPolicy


@pytest.fixture(autouse=True)
def _no_toolchain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What `auto` finds must not depend on the machine."""
    monkeypatch.setattr("leanebm.lean.config.best_backend", EmbeddedBackend)
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert read_run_config() == RunConfig()
    assert read_run_config().uses_embedded_server


@pytest.mark.parametrize("backend", [EmbeddedBackend(), NativeBackend(), NativeBackend(project=Path("/p"))])
@pytest.mark.parametrize(("module", "max_rss_mib"), [("Init", 3072), ("Mathlib", 12288)])
def test_a_file_and_python_agree_on_the_best_backend_and_on_what_goes_by_the_imports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: LeanBackend, module: str, max_rss_mib: int
) -> None:
    monkeypatch.setattr("leanebm.lean.config.best_backend", lambda: backend)
    expected = RunConfig(lean=LeanPoolConfig(imports=(module,)))
    assert expected.lean.backend == backend
    assert expected.lean.max_rss_mib == max_rss_mib
    for text in ("", "backend = 'auto'", f"num_workers = {expected.lean.num_workers}"):
        assert read_run_config(write(tmp_path, f"[lean]\nimports = ['{module}']\n{text}\n")) == expected
    if module == "Init":
        assert read_run_config(write(tmp_path, "")) == expected


def test_the_file_outweighs_defaults_and_options_outweigh_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "concurrency = 2\n[search.budget]\nmax_expansions = 7\nmax_wall_s = 3\n")
    config = read_run_config(path, [Override("search.budget.max_expansions", 9, "--budget")])
    assert (config.concurrency, config.search.budget.max_expansions, config.search.budget.max_wall_s) == (2, 9, 3.0)


def test_mistakes_in_file_and_options_are_told_together(tmp_path: Path) -> None:
    path = write(tmp_path, "speed = 2\n[search]\ncandidates_per_state = 0\n")
    with pytest.raises(ConfigError) as caught:
        read_run_config(
            path, [Override("search.budget.max_expansions", 0, "--budget"), Override("policy.url", "x", "--url")]
        )
    places = sorted(problem.rpartition(" @ ")[-1] for problem in caught.value.problems)
    assert places == ["$", "$.search.candidates_per_state", "--budget", "--url"]


def test_a_broken_file_is_told_with_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "concurrency = = 2")
    with pytest.raises(ConfigError, match=r"run\.toml"):
        read_run_config(path)
    with pytest.raises(ConfigError, match=r"missing\.toml"):
        read_run_config(tmp_path / "missing.toml")


@pytest.mark.parametrize("text", ["lean = 3", "[lean]\nbackend = 3", "[lean.backend]\nkind = 'fancy'"])
def test_a_wrong_backend_is_a_mistake_like_any_other(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run_config(write(tmp_path, text))
    assert caught.value.problems[0].rpartition(" @ ")[-1] in {"$.lean", "$.lean.backend"}


def test_parts_are_picked_by_a_word_or_by_a_table(tmp_path: Path) -> None:
    text = "scorer = 'breadth_first'\n[lean.backend]\nkind = 'native'\nproject = '/p'\n"
    config = read_run_config(write(tmp_path, text))
    assert config.scorer == BreadthFirst()
    assert config.lean.backend == NativeBackend(project=Path("/p"))
    config = read_run_config(write(tmp_path, "[scorer]\nkind = 'length_normalised'\nalpha = 1.0\n"))
    assert config.scorer == LengthNormalisedLogProb(alpha=1.0)


def test_a_toolchains_worker_may_grow_as_large_as_mathlib(tmp_path: Path) -> None:
    text = "[lean]\nbackend = 'native'\nimports = ['Mathlib']\n"
    usual = LeanPoolConfig.native(imports=["Mathlib"]).max_rss_mib
    assert read_run_config(write(tmp_path, text)).lean.max_rss_mib == usual
    assert read_run_config(write(tmp_path, text + "max_rss_mib = 999\n")).lean.max_rss_mib == 999


@pytest.mark.parametrize("name", ["embedded", "native", "pantograph"])
def test_no_other_backend_may_call_itself_one_of_ours(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"a CommandBackend calls itself '{name}', the name of one of ours"):
        read_run_config(write(tmp_path, f"[lean.backend]\nkind = 'command'\nargv = ['lean']\nname = '{name}'\n"))


@pytest.mark.parametrize("kind", ["and_or", "depth_first", "whole_proofs", "distinct_heads+probing+puct"])
def test_a_search_that_goes_one_by_one_is_not_given_several_nodes(tmp_path: Path, kind: str) -> None:
    text = f"[parts.search]\nkind = '{kind}'\n[policy]\nwhole_proofs = true\n[search]\nparallel_expansions = "
    assert read_run_config(write(tmp_path, f"{text}1\n")).search.parallel_expansions == 1
    with pytest.raises(ConfigError, match="expands one node after the other"):
        read_run_config(write(tmp_path, f"{text}2\n"))


@pytest.mark.parametrize("kind", ["whole_proofs", "distinct_heads+whole_proofs"])
def test_single_tactics_are_not_replayed_as_proofs(tmp_path: Path, kind: str) -> None:
    text = f"[parts.search]\nkind = '{kind}'\n"
    with pytest.raises(ConfigError, match=r"asked for single tactics.*\(--whole-proofs\)"):
        read_run_config(write(tmp_path, text))
    assert read_run_config(write(tmp_path, f"{text}[policy]\nwhole_proofs = true\n")).policy.whole_proofs
    own = RunConfig(parts=Parts(search=Part(WholeProofSearch), policy=ScriptedPolicy(script={})))
    assert own.parts.search.factory is WholeProofSearch


def test_a_backend_given_as_an_option_replaces_the_files(tmp_path: Path) -> None:
    path = write(tmp_path, "[lean.backend]\nkind = 'native'\nproject = '/p'\n")
    config = read_run_config(path, [Override("lean.backend", "embedded", "--lean")])
    assert config.lean.backend == EmbeddedBackend()


def test_saved_settings_make_the_same_run(tmp_path: Path) -> None:
    config = read_run_config(write(tmp_path, "scorer = 'cumulative'\n[search.budget]\nmax_tactic_calls = 50\n"))
    assert read_run_config(write(tmp_path, to_toml(config))) == config


def test_a_key_is_not_saved() -> None:
    config = read_run_config(None, [Override("policy.api_key", "hunter2", "--api-key")])
    assert config.policy.api_key == "hunter2"
    assert "hunter2" not in to_toml(config)


def test_a_file_that_cannot_be_opened_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    for path, why in [
        (tmp_path / "absent.toml", "No such file or directory"),
        (tmp_path / "config.toml", "it is a folder, and only regular files are read"),
    ]:
        with pytest.raises(ConfigError) as caught:
            read_run_config(path if path.name == "absent.toml" else tmp_path)
        assert str(caught.value) == f"cannot read the settings in {path}: {why}"


def test_settings_can_be_read_without_a_file() -> None:
    assert structure_settings({"seed": 3}, RunConfig, source="here").seed == 3


@pytest.mark.parametrize(
    "text",
    [
        "concurrency = " + "9" * 5_000,
        "concurrency = 0x" + "f" * 5_000,
        "without = " + "[" * 50_000,
        "[search.budget]\nmax_wall_s = " + "9" * 400,
        "\ufeffconcurrency = 1",
    ],
)
def test_a_file_that_no_parser_likes_is_told_with_its_name_and_in_few_words(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_run_config(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 2_000


@pytest.mark.parametrize("key", ["12345678", '"1234 5678"', '["12345678"]', "12345678.5"])
def test_a_mistake_in_a_key_is_told_without_the_key(tmp_path: Path, key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run_config(write(tmp_path, f"[policy]\napi_key = {key}"))
    assert "$.policy.api_key" in str(caught.value)
    assert "1234" not in str(caught.value)


def test_settings_in_a_pipe_are_not_waited_for_and_a_device_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, kind in ((tmp_path / "pipe", "a pipe"), (Path("/dev/zero"), "a device")):
        with pytest.raises(ConfigError, match=f"it is {kind}, and only regular files are read"):
            read_run_config(path)


def test_certificates_tell_our_backends_from_a_program_of_the_users() -> None:
    assert FAMILIES[LeanBackend].built_in.keys() - {"command"} == OUR_BACKENDS


def test_a_runs_folder_stands_for_its_settings(tmp_path: Path) -> None:
    config = RunConfig(seed=3)
    RunFolder(tmp_path).config.write_text(to_toml(config))
    assert read_run_config(tmp_path) == config
    with pytest.raises(ConfigError, match=r"nothing/config\.toml|cannot read the settings in .*nothing"):
        read_run_config(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([Override("energy.beta", 1.0, "--beta")], "beta to apply to.* @ --beta$"),
        (
            [Override("energy.beta", 1.0, "--beta"), Override("energy.device", "cuda", "--ebm-device")],
            "beta and device to apply to.* @ --beta, --ebm-device$",
        ),
        ([Override("without", ["gring"], "--without")], "did you mean 'grind'.* @ --without$"),
        (
            [Override("without", ["grind"], "--without"), Override("policy.url", "http://h:1", "--server-url")],
            r"leave out --without \(without\)$",
        ),
        ([Override("parts.search", {"kind": "best_first", "x": 1}, "--search")], "known here: none.* @ --search$"),
    ],
)
def test_what_would_have_no_effect_is_told_with_its_options(overrides: list[Override], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_run_config(None, overrides)
    (problem,) = caught.value.problems
    assert re.search(told, problem)


def test_what_is_set_and_changes_nothing_is_named() -> None:
    def idle(policy: dict[str, Any], **more: Any) -> list[str]:
        config = RunConfig(policy=PolicyClientConfig(**{"url": EMBEDDED_SERVER_URL, **policy}), **more)
        return [sentence.partition(" ")[0] for sentence in config.without_effect]

    server = {"url": "http://h:1", "whole_proofs": True, "temperature": 0.5, "adapter": "a"}
    vectors = EncoderConfig(adapter="a")
    assert idle({}) == idle({"temperature": 0.5}) == idle(server) == []
    assert idle({"whole_proofs": True, "model": "m"}) == ["$.policy.model", "$.policy.whole_proofs"]
    assert idle({"encoder": vectors}) == ["$.policy.encoder.adapter"]
    assert idle({"encoder": vectors}, energy=EnergyConfig(path=SHIPPED_HEAD)) == []
    own = Parts(policy=ScriptedPolicy(script={}))
    several = {**server, "samples_per_candidate": 2}
    unused = ["adapter", "samples_per_candidate", "temperature", "whole_proofs"]
    assert idle(several, parts=own) == [f"$.policy.{name}" for name in unused]


def test_other_samples_have_seeds_of_their_own() -> None:
    plain = RunConfig()
    assert plain.sampled_anew(0) == plain
    assert plain.sampled_anew(2) == RunConfig(seed=2)
    policy = PolicyClientConfig(url="http://h:1", sampling_seed=7, samples_per_candidate=3)
    seeded = RunConfig(policy=policy)
    assert seeded.sampled_anew(1).policy.sampling_seed == 7 + 3 * seeded.search.candidates_per_state


class NoEnergy:
    async def energies(self, states: Sequence[ProofState]) -> Sequence[float]:
        return [0.0 for _ in states]


@pytest.mark.parametrize("scorer", [NegativeEnergy(), DepthRamp(scorer=NegativeEnergy())])
def test_a_scorer_that_reads_energies_needs_something_that_gives_them(scorer: StateScorer) -> None:
    with pytest.raises(ConfigError, match="reads energies, and nothing gives any") as caught:
        RunConfig(scorer=scorer).check_energies()
    assert caught.value.problems[0].endswith(" @ --scorer")
    RunConfig(scorer=scorer, energy=EnergyConfig(path=SHIPPED_HEAD)).check_energies()
    RunConfig(scorer=scorer, parts=Parts(energy_model=NoEnergy)).check_energies()
    RunConfig().check_energies()


class OwnEncoder:
    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(pooling="none", is_normalized=False, dim=1)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [len(text)]) for text in texts]


class Wrapping(OwnEncoder):
    def __init__(self, encoder: StateEncoder) -> None:
        self.encoder = encoder


@pytest.mark.parametrize(
    ("encoder", "asks"), [(None, True), (OwnEncoder, False), (OwnEncoder(), False), (Wrapping, True)]
)
def test_an_encoder_of_ones_own_asks_the_server_only_if_it_names_it(encoder: Any, asks: bool, tmp_path: Path) -> None:
    run = RunConfig(energy=EnergyConfig(path=tmp_path), parts=Parts(encoder=encoder))
    assert run.asks_server_for_embeddings is asks
    assert EnergyTrainingConfig(encoder=encoder).asks_server is asks
    assert not RunConfig(parts=Parts(encoder=encoder)).asks_server_for_embeddings, "there is no head"


def test_an_encoder_without_a_head_changes_nothing_and_that_is_said() -> None:
    assert "$.parts.encoder changes nothing" in "\n".join(RunConfig(parts=Parts(encoder=OwnEncoder)).without_effect)
    with pytest.raises(TypeError, match="is not an encoder: it has no identity and no encode"):
        Parts(encoder=object())
