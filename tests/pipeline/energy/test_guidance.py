"""A head in a run: found, checked against its encoder, and weighed in the units it was calibrated in."""

from __future__ import annotations

import logging
import shutil
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from leanebm.core import EncoderIdentity, Leaf
from leanebm.energy import (
    Calibration,
    CheckpointHeader,
    EnergyCheckpoint,
    EnergyHead,
    EnergyHeadConfig,
    TunedWeights,
    amend_header,
    load_checkpoint,
    save_checkpoint,
)
from leanebm.errors import ConfigError, EnergyError
from leanebm.pipeline import (
    SHIPPED_HEAD,
    SHIPPED_MODEL_HEAD,
    EnergyConfig,
    RunConfig,
    guided_scorer,
    start_embedded_server,
)
from leanebm.pipeline.energy.guidance import open_guidance
from leanebm.policy import EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.search import BreadthFirst, LengthNormalisedLogProb, NegativeEnergy, WeightedSum
from leanebm.serve import SHIPPED_POLICY, HfBackend, HfConfig, PolicyServer, ServeConfig
from leanebm.testing import SAMPLE_LEAVES, FakePolicyServer

IDENTITY = EncoderIdentity(model="tiny", pooling="mean", is_normalized=False, dim=4)

CALIBRATION = Calibration(energy_mean=1.5, energy_sd=0.5, policy_sd=2.0, alpha=0.5, beta=0.75)

TUNED = TunedWeights(
    alpha=1.0,
    beta=2.5,
    fitted_alpha=0.5,
    fitted_beta=0.75,
    theorems=60,
    max_expansions=16,
    choices=4,
    proved=30,
    proved_without=20,
)

POLICY = LengthNormalisedLogProb(alpha=0.5)

STATES = [leaf.state for leaf in SAMPLE_LEAVES]


@attrs.frozen
class Encoder:
    identity_: EncoderIdentity = IDENTITY

    async def identity(self) -> EncoderIdentity:
        return self.identity_

    async def encode(self, texts: Sequence[str]) -> list[array[float]]:
        return [array("f", [len(text), 1.0, 2.0, 3.0]) for text in texts]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tmp_path / "head", CALIBRATION)


def save(folder: Path, calibration: Calibration | None, encoder: EncoderIdentity = IDENTITY) -> Path:
    config = EnergyHeadConfig(d_in=4, hidden=(8,))
    header = CheckpointHeader(config=config, encoder=encoder, training={}, metrics={}, calibration=calibration)
    save_checkpoint(folder, EnergyCheckpoint(header=header, head=EnergyHead(config)))
    return folder


async def priority(scorer: object, leaf: Leaf) -> float:
    assert hasattr(scorer, "score")
    [number] = await scorer.score([leaf])
    return float(number)


async def test_energy_and_policy_are_added_in_standard_units() -> None:
    leaf = attrs.evolve(SAMPLE_LEAVES[3], path_log_prob=-6.0, depth=4, energy=2.0)
    expected = (-6.0 / 4**0.5) / 2.0 - 0.75 * (2.0 - 1.5) / 0.5
    assert await priority(guided_scorer(POLICY, CALIBRATION, beta=0.75), leaf) == pytest.approx(expected)


@pytest.mark.parametrize("change", [{"adapters": {"a": "a2"}}, {"weight_version": "w2", "adapters": {"a": "a1"}}])
async def test_a_search_ends_when_its_servers_encoder_changes_and_the_head_fits_it_no_more(
    change: dict[str, Any], tmp_path: Path
) -> None:
    async with FakePolicyServer() as server:
        server.offer_encoder(dim=4, adapters={"a": "a1"})
        settings = PolicyClientConfig(url=server.url, encoder=EncoderConfig(adapter="a"))
        async with PolicyClient(settings) as encoder:
            folder = save(tmp_path / "head", CALIBRATION, await encoder.identity())
            async with open_guidance(EnergyConfig(path=folder), POLICY, encoder) as guidance:
                await guidance.energy.energies(STATES[:1])
                server.offer_encoder(dim=4, **change)
                with pytest.raises(EnergyError, match=r"here, .* there \(at the start\).*have it serve the former"):
                    await guidance.energy.energies(STATES)
        async with PolicyClient(settings) as encoder:
            with pytest.raises(EnergyError, match="trained on vectors of encoder"):
                async with open_guidance(EnergyConfig(path=folder), POLICY, encoder):
                    pytest.fail("its energies would mean nothing")


async def test_weight_zero_leaves_the_policys_priorities_and_says_that_energies_are_seen() -> None:
    leaves = [attrs.evolve(leaf, energy=3.7) for leaf in SAMPLE_LEAVES]
    for policy_scorer, calibration in ((BreadthFirst(), CALIBRATION), (POLICY, None)):
        scorer = guided_scorer(policy_scorer, calibration, beta=0.0)
        assert await scorer.score(leaves) == await policy_scorer.score(leaves)
        assert isinstance(scorer, WeightedSum)
        assert scorer.reads_energy


def test_a_scorer_that_reads_energies_stays_alone() -> None:
    class Mine:
        reads_energy = True

        async def score(self, leaves: Sequence[Leaf]) -> Sequence[float]:
            return [-(leaf.energy or 0.0) for leaf in leaves]

    assert guided_scorer(NegativeEnergy(), CALIBRATION, beta=2.0) == NegativeEnergy()
    assert guided_scorer(mine := Mine(), CALIBRATION, beta=2.0) is mine


def test_units_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="calibrated beside another scorer"):
        guided_scorer(BreadthFirst(), CALIBRATION, beta=1.0)
    with pytest.raises(ConfigError, match="no calibration"):
        guided_scorer(POLICY, None, beta=1.0)


async def test_another_exponent_keeps_the_unit_and_needs_a_weight_of_its_own(folder: Path) -> None:
    leaf = attrs.evolve(SAMPLE_LEAVES[3], path_log_prob=-6.0, depth=4, energy=2.0)
    mean = LengthNormalisedLogProb(alpha=1.0)
    expected = (-6.0 / 4) / 2.0 - 0.75 * (2.0 - 1.5) / 0.5
    assert await priority(guided_scorer(mean, CALIBRATION, beta=0.75), leaf) == pytest.approx(expected)
    async with open_guidance(EnergyConfig(path=folder, beta=0.75), mean, Encoder()) as guidance:
        assert guidance.scorer == guided_scorer(mean, CALIBRATION, beta=0.75)
    with pytest.raises(ConfigError, match=r"0\.75 at alpha = 0\.5; at 1, give one of your own @ --beta"):
        async with open_guidance(EnergyConfig(path=folder), mean, Encoder()):
            pass


async def test_what_was_tuned_is_used_unless_a_weight_is_given(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain, given = EnergyConfig(path=folder), EnergyConfig(path=folder, beta=0.5)
    before = RunConfig(energy=plain).scorer, plain.digest, given.digest
    assert before[0] == LengthNormalisedLogProb()
    amend_header(folder, tuned=TUNED)
    tuned = LengthNormalisedLogProb(alpha=1.0)
    assert RunConfig(energy=plain).scorer == tuned
    assert RunConfig(energy=plain, scorer=POLICY).scorer == POLICY
    async with open_guidance(plain, tuned, Encoder()) as guidance:
        assert guidance.scorer == guided_scorer(tuned, CALIBRATION, beta=2.5)
    async with open_guidance(given, POLICY, Encoder()) as guidance:
        assert guidance.scorer == guided_scorer(POLICY, CALIBRATION, beta=0.5)
    with pytest.raises(ConfigError, match=r"(?s)tuned beside.*2\.5 at alpha = 1; at 0\.5, give one of your own"):
        async with open_guidance(plain, POLICY, Encoder()):
            pass
    assert plain.digest != before[1]
    assert given.digest == before[2]
    amend_header(folder, tuned=attrs.evolve(TUNED, beta=0.0))
    async with open_guidance(plain, POLICY, Encoder()) as guidance:
        assert guidance.scorer == guided_scorer(POLICY, CALIBRATION, beta=0.0)
    assert "proved no more when it was tuned" in caplog.text
    assert RunConfig(energy=EnergyConfig(path=tmp_path / "nowhere")).scorer == LengthNormalisedLogProb()


async def test_a_folder_becomes_an_energy_model_and_a_scorer(folder: Path) -> None:
    async with open_guidance(EnergyConfig(path=folder, freeze_spectral=True), POLICY, Encoder()) as guidance:
        energies = await guidance.energy.energies(STATES)
        assert await guidance.energy.energies(STATES) == energies
        assert len(set(energies)) > 1
        assert guidance.scorer == guided_scorer(POLICY, CALIBRATION, beta=0.75)


async def test_a_head_that_needs_an_encoder_is_refused_where_there_is_none(folder: Path) -> None:
    assert EnergyConfig(path=folder).needs_encoder
    assert not EnergyConfig().needs_encoder
    with pytest.raises(ConfigError, match="needs an encoder, and this run has none"):
        async with open_guidance(EnergyConfig(path=folder), POLICY, None):
            pass


async def test_the_energy_alone_needs_no_weight(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(folder, attrs.evolve(CALIBRATION, beta=0.0))
    async with open_guidance(EnergyConfig(path=folder), NegativeEnergy(), Encoder()) as guidance:
        assert guidance.scorer == NegativeEnergy()
    assert "weight 0" not in caplog.text


async def test_a_device_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"'cuda:99' was asked for, but torch .* CUDA device"):
        async with open_guidance(EnergyConfig(path=folder, device="cuda:99"), POLICY, Encoder()):
            pass
    with pytest.raises(ValueError, match="'device' must match"):
        EnergyConfig(device="tpu")


async def test_a_weight_on_the_command_line_outweighs_the_fitted_one(folder: Path) -> None:
    async with open_guidance(EnergyConfig(path=folder, beta=2.0), POLICY, Encoder()) as guidance:
        assert guidance.scorer == guided_scorer(POLICY, CALIBRATION, beta=2.0)


async def test_a_head_without_weight_is_warned_of_and_scores_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path, attrs.evolve(CALIBRATION, beta=0.0))
    with caplog.at_level(logging.WARNING):
        async with open_guidance(EnergyConfig(path=folder), POLICY, Encoder()) as guidance:
            assert guidance.scorer == guided_scorer(POLICY, None, beta=0.0)
            assert len(await guidance.energy.energies(STATES)) == len(STATES)
    assert "gets weight 0" in caplog.text


async def test_another_encoder_is_refused_with_both_sides_named(folder: Path) -> None:
    other = attrs.evolve(IDENTITY, model="huge", dtype="bfloat16")
    with pytest.raises(EnergyError, match="huge") as caught:
        async with open_guidance(EnergyConfig(path=folder), POLICY, Encoder(other)):
            pass
    assert "tiny" in str(caught.value)


async def test_a_folder_without_a_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no energy head in .*: No such file or directory: head\.json"):
        _ = EnergyConfig(path=tmp_path).digest
    with pytest.raises(EnergyError, match="head"):
        async with open_guidance(EnergyConfig(path=tmp_path), POLICY, Encoder()):
            pass
    with pytest.raises(ConfigError, match="no energy head is configured"):
        async with open_guidance(EnergyConfig(), POLICY, Encoder()):
            pass


def test_a_digest_tells_heads_apart_wherever_they_stand(folder: Path, tmp_path: Path) -> None:
    copy = save(tmp_path / "elsewhere", CALIBRATION)
    other = save(tmp_path / "other", attrs.evolve(CALIBRATION, beta=0.1))
    assert EnergyConfig(path=folder).digest == EnergyConfig(path=copy).digest
    assert EnergyConfig(path=folder).digest != EnergyConfig(path=other).digest
    assert EnergyConfig().digest is None


@pytest.mark.parametrize("idle", [{"beta": 0.0}, {"freeze_spectral": True}, {"device": "cuda"}])
def test_what_shapes_a_head_is_a_mistake_without_one(idle: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"no energy head for {next(iter(idle))} to apply to.*--ebm-path"):
        EnergyConfig(**idle)
    assert EnergyConfig(path="head", **idle).path == Path("head")


async def test_the_shipped_head_fits_the_embedded_server_and_says_how_it_was_made() -> None:
    """A new version of the encoder makes it useless: then it is to be made anew."""
    assert sum(path.stat().st_size for path in SHIPPED_HEAD.iterdir()) < 3 << 20
    async with start_embedded_server() as url, PolicyClient(PolicyClientConfig(url=url)) as encoder:
        header = load_checkpoint(SHIPPED_HEAD, encoder=await encoder.identity()).header
        config = RunConfig(energy=EnergyConfig(path=SHIPPED_HEAD))
        async with open_guidance(config.energy, config.scorer, encoder) as guidance:
            assert len(await guidance.energy.energies(STATES)) == len(STATES)
    assert header.training["made_by"] == "python benchmarks/experiment.py --kind logic"
    assert header.tuned is not None
    assert header.tuned.proved > header.tuned.proved_without


async def test_the_other_one_fits_the_model_that_comes_with_leanebm(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    elsewhere = shutil.copytree(SHIPPED_POLICY, tmp_path / SHIPPED_POLICY.name)  # as it is installed elsewhere
    backend = HfBackend(HfConfig(model=str(elsewhere), device="cpu"))
    async with (
        PolicyServer(ServeConfig(), backend) as server,
        PolicyClient(PolicyClientConfig(url=server.url)) as encoder,
    ):
        config = RunConfig(energy=EnergyConfig(path=SHIPPED_MODEL_HEAD))
        async with open_guidance(config.energy, config.scorer, encoder) as guidance:
            assert len(await guidance.energy.energies(STATES)) == len(STATES)
    assert load_checkpoint(SHIPPED_MODEL_HEAD).header.tuned is not None
