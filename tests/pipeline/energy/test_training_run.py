"""From search trees to a head that a search can take, with the embedded encoder over real HTTP."""

from __future__ import annotations

import asyncio
import shutil
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import attrs
import pyarrow.parquet as pq
import pytest
import torch
from fake_worker import fake_worker_argv

from leanebm.core import EncoderIdentity, StateEncoder, Theorem
from leanebm.energy import EnergyHeadConfig, SpectralNormMode, load_checkpoint
from leanebm.energy.diagnostics import HeadReport
from leanebm.energy.training import EnergyTrainerConfig
from leanebm.errors import ConfigError, EnergyError, PartBroken
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.pipeline import (
    EnergyConfig,
    EnergySources,
    Part,
    Parts,
    PipelineEvent,
    RunConfig,
    SearchRun,
    StageProgressed,
    WorkbenchOpener,
    guided_scorer,
    open_workbench,
    start_embedded_server,
)
from leanebm.pipeline.energy.counting_encoder import COUNTS, CountingEncoder
from leanebm.pipeline.energy.guidance import open_guidance
from leanebm.pipeline.energy.training_run import EnergyTrainingConfig, EnergyTrainingRun
from leanebm.policy import EncoderConfig, PolicyClient, PolicyClientConfig
from leanebm.search import LengthNormalisedLogProb, SearchBudget, SearchConfig
from leanebm.testing import (
    SAMPLE_LEAVES,
    Answer,
    Compute,
    FakePolicyServer,
    ToyWorld,
    check_energy_model,
    embedding_objects,
    hashed_embedding,
)

QUICK = EnergyTrainingConfig(
    hidden=(16, 8), trainer=EnergyTrainerConfig(max_steps=60, eval_every=20, log_every=5, learning_rate=3e-3)
)

FAKE_LEAN = LeanPoolConfig(backend=CommandBackend(argv=fake_worker_argv()), num_workers=1)

Numbers = Callable[..., tuple[Theorem, ...]]

ToyBench = Callable[..., WorkbenchOpener]


@attrs.define
class Watching:
    """An observer that may act on what it is told."""

    react: Callable[[PipelineEvent], None] = lambda _: None

    def notify(self, event: PipelineEvent) -> None:
        self.react(event)


async def search(folder: Path, theorems: tuple[Theorem, ...], opening: WorkbenchOpener) -> Path:
    """Search a world whose theorems are numbers."""
    config = RunConfig(search=SearchConfig(budget=SearchBudget(max_expansions=300)))
    await SearchRun(config, theorems, folder, opening=opening).run()
    return folder


@pytest.fixture(scope="module")
async def searched(tmp_path_factory: pytest.TempPathFactory, toy_bench: ToyBench) -> EnergySources:
    folder = tmp_path_factory.mktemp("searched")
    opening = toy_bench(ToyWorld.countdown(64))
    seen = tuple(Theorem(name=f"n{i}", statement=str(i)) for i in range(5, 60, 2))
    held_out = tuple(Theorem(name=f"n{i}", statement=str(i)) for i in range(34, 60, 2))
    return EnergySources(
        trajectories=(await search(folder / "seen", seen, opening),),
        val_trajectories=(await search(folder / "held out", held_out, opening),),
    )


@attrs.frozen
class Trained:
    """What a training with :data:`QUICK` left, said and returned."""

    folder: Path
    diagnosis: HeadReport
    heard: tuple[PipelineEvent, ...]


@pytest.fixture(scope="module")
async def trained(searched: EnergySources, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    heard: list[PipelineEvent] = []
    threads = torch.get_num_threads()
    folder = tmp_path_factory.mktemp("trained")
    diagnosis = await EnergyTrainingRun(QUICK, searched, folder, observer=Watching(heard.append)).run()
    assert torch.get_num_threads() == threads, "it gives back what it took"
    return Trained(folder, diagnosis, tuple(heard))


def test_search_trees_become_a_head_with_its_units_and_its_diagnosis(trained: Trained) -> None:
    folder, diagnosis = trained.folder, trained.diagnosis
    assert HeadReport.read(folder) == diagnosis
    assert (folder / "report.html").read_text(encoding="utf-8").startswith("<!")
    assert {row["part"] for row in pq.read_table(folder / "validation.parquet").to_pylist()} == {
        "siblings",
        "frontiers",
    }
    header = load_checkpoint(folder).header
    assert header.calibration == diagnosis.calibration
    assert (header.config.d_in, header.config.hidden) == (384, (16, 8))
    assert header.training["training_groups"] == diagnosis.data["training_groups"] > 0
    assert diagnosis.metrics["emb_cosine_probe"].value == pytest.approx(1.0)
    assert diagnosis.metrics["twin_pairwise"].value is not None


async def test_what_was_trained_guides_a_search_of_the_same_encoder(trained: Trained) -> None:
    calibration = load_checkpoint(trained.folder).header.calibration
    policy_scorer = RunConfig().scorer
    settings = EnergyConfig(path=trained.folder, beta=1.0, freeze_spectral=True)
    async with (
        start_embedded_server() as url,
        PolicyClient(PolicyClientConfig(url=url)) as encoder,
        open_guidance(settings, policy_scorer, encoder) as guidance,
    ):
        assert len(await guidance.energy.energies([leaf.state for leaf in SAMPLE_LEAVES])) == len(SAMPLE_LEAVES)
        assert guidance.scorer == guided_scorer(policy_scorer, calibration, beta=1.0)


async def test_a_head_on_counts_brings_its_encoder_along(searched: EnergySources, tmp_path: Path) -> None:
    await EnergyTrainingRun(attrs.evolve(QUICK, encoder=CountingEncoder(), hidden=None), searched, tmp_path).run()
    header = load_checkpoint(tmp_path).header
    assert (header.config.d_in, header.config.hidden, header.encoder) == (8, (32, 16), COUNTS)
    settings = EnergyConfig(path=tmp_path, beta=1.0, freeze_spectral=True)
    assert not RunConfig(energy=settings).asks_server_for_embeddings
    async with open_guidance(settings, LengthNormalisedLogProb(), None) as guidance:
        await check_energy_model(guidance.energy)
    run = RunConfig(lean=FAKE_LEAN, energy=settings)
    async with open_workbench(run) as bench:  # with a server, which has another encoder
        assert bench.energy is not None
        await check_energy_model(bench.energy)


SIGNS = EncoderIdentity(model="signs", weights="1", pooling="none", is_normalized=False, dim=3)


class Signs:
    """An encoder of a user's own."""

    def __init__(self, least: float = 0.0) -> None:
        self.least = least

    async def identity(self) -> EncoderIdentity:
        return SIGNS

    async def encode(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[self.least, float(len(text)), float(text.count("1"))] for text in texts]


class Longer:
    """The server's embedding, and one number more."""

    def __init__(self, encoder: StateEncoder) -> None:
        self.encoder = encoder

    async def identity(self) -> EncoderIdentity:
        inner = await self.encoder.identity()
        return attrs.evolve(inner, model=f"longer {inner.model}", dim=1 + (inner.dim or 0))

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [*vector, 1.0]) for vector in await self.encoder.encode(texts)]


@pytest.mark.parametrize(("encoder", "width"), [(Part(Signs, {"least": 0.5}), 3), (Signs(), 3), (Longer, 385)])
async def test_a_head_sees_what_ones_own_encoder_makes_and_a_search_needs_the_same(
    encoder: Any, width: int, searched: EnergySources, tmp_path: Path
) -> None:
    found = await EnergyTrainingRun(attrs.evolve(QUICK, encoder=encoder), searched, tmp_path).run()
    assert load_checkpoint(tmp_path).header.config.d_in == width
    assert found.metrics["emb_cosine_probe"].value == pytest.approx(1.0)
    assert "effective_rank" not in found.metrics
    energy = EnergyConfig(path=tmp_path, beta=1.0, freeze_spectral=True)
    run = RunConfig(lean=FAKE_LEAN, energy=energy)
    async with open_workbench(attrs.evolve(run, parts=Parts(encoder=encoder))) as bench:
        assert bench.energy is not None
        assert ("encoder" in bench.served) == (width == 385)
        await check_energy_model(bench.energy)
    with pytest.raises(EnergyError, match="a part of your own: --state-encoder"):
        async with open_workbench(run):
            pytest.fail("the server's encoder is another one")


@pytest.mark.parametrize("dim", [2, None])
async def test_an_encoder_of_no_one_width_is_named_before_anything_is_trained(
    dim: int | None, searched: EnergySources, tmp_path: Path
) -> None:
    class Odd(Signs):
        async def identity(self) -> EncoderIdentity:
            return attrs.evolve(SIGNS, dim=dim)

        async def encode(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            return [[1.0] * (3 if len(texts) > 1 else 2) for _ in texts]

    with pytest.raises(PartBroken, match=r"Odd gave vectors of \d numbers"):
        await EnergyTrainingRun(attrs.evolve(QUICK, encoder=Odd()), searched, tmp_path).run()


async def test_an_encoder_that_asks_no_server_is_started_once(searched: EnergySources, tmp_path: Path) -> None:
    class Started(Signs):
        times = 0

        def __len__(self) -> int:
            return 0  # of a cache, say; it is there all the same

        async def __aenter__(self) -> Self:
            self.times += 1
            return self

        async def __aexit__(self, *error: object) -> None:
            pass

    encoder = Started()
    await EnergyTrainingRun(attrs.evolve(QUICK, encoder=encoder), searched, tmp_path).run()
    assert encoder.times == 1
    energy = EnergyConfig(path=tmp_path, beta=1.0, freeze_spectral=True)
    async with open_workbench(RunConfig(lean=FAKE_LEAN, energy=energy, parts=Parts(encoder=encoder))):
        assert encoder.times == 2


async def test_an_encoder_that_fails_in_training_is_named(searched: EnergySources, tmp_path: Path) -> None:
    class Failing(Signs):
        async def encode(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            raise LookupError(f"no word for {len(texts)} texts")

    with pytest.raises(PartBroken, match=r"Failing, asked for vectors, raised LookupError: no word"):
        await EnergyTrainingRun(attrs.evolve(QUICK, encoder=Failing), searched, tmp_path).run()


@pytest.mark.parametrize("done", ["some", "all"])
@pytest.mark.parametrize("change", [{"adapters": {"a": "a2"}}, {"weight_version": "w2", "adapters": {"a": "a1"}}])
async def test_no_head_is_trained_on_vectors_of_two_encoders_of_one_name(
    change: dict[str, Any], done: str, searched: EnergySources, tmp_path: Path
) -> None:
    def react(event: PipelineEvent) -> None:
        if isinstance(event, StageProgressed) and event.stage == "encoding proof states":
            server.offer_encoder(**change)  # before the encoder is looked at once more

    def answer(body: Any) -> Answer:
        if len(server.bodies("/encode")) > 8:
            server.offer_encoder(**change)
        adapted = [hashed_embedding(text) for text in body["text"]]
        return Answer(json=embedding_objects(*adapted, adapter_version="a1"))

    async with FakePolicyServer() as server:
        server.offer_encoder(adapters={"a": "a1"})
        if done == "some":
            server.script("/encode", then=Compute(answer))
        policy = PolicyClientConfig(url=server.url, encoder=EncoderConfig(adapter="a"))
        run = EnergyTrainingRun(attrs.evolve(QUICK, policy=policy), searched, tmp_path, observer=Watching(react))
        with pytest.raises(EnergyError, match=r"vectors of two: .* here, .* there \(at the start\).* train again"):
            await run.run()
    assert not (tmp_path / "head.json").exists()


async def test_an_encoder_that_is_not_ready_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    class Unready(Signs):
        def check_ready(self) -> None:
            raise ValueError("there is no table")

    nothing = EnergySources(trajectories=(tmp_path / "no run",))
    with pytest.raises(ConfigError, match=r"Unready: there is no table @ \$\.encoder"):
        await EnergyTrainingRun(attrs.evolve(QUICK, encoder=Unready()), nothing, tmp_path / "head").run()


async def test_a_linear_probe_and_a_plain_perceptron_are_heads_like_any_other(
    searched: EnergySources, tmp_path: Path
) -> None:
    config = attrs.evolve(QUICK, hidden=(), spectral_norm=SpectralNormMode.NONE)
    diagnosis = await EnergyTrainingRun(config, searched, tmp_path).run()
    header = load_checkpoint(tmp_path).header
    assert (header.config.hidden, header.config.spectral_norm) == ((), SpectralNormMode.NONE)
    assert header.calibration == diagnosis.calibration


async def test_the_twin_can_be_searched_with_as_well(trained: Trained) -> None:
    path = trained.folder / "twin"
    head, twin = load_checkpoint(trained.folder).header, load_checkpoint(path).header
    assert twin.training["role"] == "twin"
    assert twin.calibration is not None
    assert head.calibration is not None
    assert twin.calibration.policy_sd == head.calibration.policy_sd
    assert twin.calibration.energy_sd != head.calibration.energy_sd
    async with (
        start_embedded_server() as url,
        PolicyClient(PolicyClientConfig(url=url)) as encoder,
        open_guidance(EnergyConfig(path=path, beta=1.0), LengthNormalisedLogProb(), encoder) as guidance,
    ):
        assert guidance.scorer == guided_scorer(LengthNormalisedLogProb(), twin.calibration, beta=1.0)


async def test_without_held_out_folders_some_theorems_are_held_out(searched: EnergySources, tmp_path: Path) -> None:
    alone = attrs.evolve(searched, val_trajectories=())
    diagnosis = await EnergyTrainingRun(attrs.evolve(QUICK, validation_fraction=0.3), alone, tmp_path).run()
    assert diagnosis.data["validation_groups"] > 0


async def test_a_stopped_training_is_finished_by_the_same_call(
    searched: EnergySources, trained: Trained, tmp_path: Path
) -> None:
    task: asyncio.Task[HeadReport] | None = None

    def stop_after_the_first_look(event: PipelineEvent) -> None:
        if isinstance(event, StageProgressed) and event.counts.startswith("held-out") and task is not None:
            task.cancel()

    stopped = EnergyTrainingRun(QUICK, searched, tmp_path, observer=Watching(stop_after_the_first_look))
    task = asyncio.create_task(stopped.run())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (tmp_path / "diagnosis.json").exists()
    resumed = await EnergyTrainingRun(QUICK, searched, tmp_path).run()
    assert resumed.metrics == trained.diagnosis.metrics


async def test_a_finished_training_that_is_asked_for_again_ends_as_it_had(
    searched: EnergySources, trained: Trained, tmp_path: Path
) -> None:
    names = ("head.json", "twin/head.json", "diagnosis.json", "validation.parquet", "metrics.csv")
    folder = shutil.copytree(trained.folder, tmp_path / "again")
    await EnergyTrainingRun(QUICK, searched, folder).run()
    for name in names:
        assert (folder / name).read_bytes() == (trained.folder / name).read_bytes()


async def test_other_settings_are_not_trained_into_the_same_folder(searched: EnergySources, trained: Trained) -> None:
    other = attrs.evolve(QUICK, trainer=attrs.evolve(QUICK.trainer, learning_rate=1e-3))
    with pytest.raises(EnergyError, match=r"train into another folder; to begin again(.|\n)*learning_rate"):
        await EnergyTrainingRun(other, searched, trained.folder).run()


async def test_theorems_that_are_held_out_are_not_trained_on(searched: EnergySources, tmp_path: Path) -> None:
    same = EnergySources(trajectories=searched.trajectories, val_trajectories=searched.trajectories)
    with pytest.raises(EnergyError, match="none is left to train on"):
        await EnergyTrainingRun(QUICK, same, tmp_path).run()


async def test_a_device_that_is_not_there_is_said_before_anything_is_encoded(
    searched: EnergySources, tmp_path: Path
) -> None:
    heard: list[PipelineEvent] = []
    config = attrs.evolve(QUICK, trainer=attrs.evolve(QUICK.trainer, device="cuda:99"))
    with pytest.raises(ConfigError, match="'cuda:99' was asked for"):
        await EnergyTrainingRun(config, searched, tmp_path / "head", observer=Watching(heard.append)).run()
    assert not heard
    assert not (tmp_path / "head").exists()


async def test_nothing_to_learn_from_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to learn from"):
        await EnergyTrainingRun(QUICK, EnergySources(), tmp_path).run()


def test_the_head_fits_the_width_of_the_embeddings() -> None:
    config = EnergyTrainingConfig()
    assert config.head_for(4096).hidden == (2048, 1024, 512)
    assert config.head_for(384).hidden == (512, 256, 128)
    assert EnergyTrainingConfig(hidden=(8,), dropout=0.4).head_for(384) == EnergyHeadConfig(
        d_in=384, hidden=(8,), dropout=0.4
    )


def test_counts_and_a_server_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="leave out --server-url"):
        EnergyTrainingConfig(encoder=CountingEncoder(), policy=PolicyClientConfig(url="http://127.0.0.1:1"))


def test_a_small_head_is_trained_with_one_thread_unless_another_number_is_given() -> None:
    config = EnergyTrainingConfig()
    assert config.threads_for(384) == 1
    assert config.threads_for(4096) == torch.get_num_threads()
    assert EnergyTrainingConfig(threads=3).threads_for(384) == 3


def test_the_training_reports_how_far_it_is_of_how_many_steps(trained: Trained) -> None:
    progress = [
        event
        for event in trained.heard
        if isinstance(event, StageProgressed) and event.stage == "training the energy head"
    ]
    assert (progress[0].done, progress[0].total) == (0, 60)
    assert progress[-1].done == 60
    assert "held-out sibling accuracy" in progress[-1].counts
