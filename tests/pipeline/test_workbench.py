from __future__ import annotations

import asyncio
import json
import pickle
import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from fake_worker import fake_worker_argv
from unasked import Unasked

import leanebm.pipeline.workbench
from leanebm.core import (
    Candidate,
    Goal,
    Leaf,
    Node,
    ProofState,
    SearchOutcome,
    SearchResult,
    StateEncoder,
    StateRef,
    Theorem,
)
from leanebm.errors import ConfigError, LeanInstallError
from leanebm.lean import CommandBackend, LeanPoolConfig
from leanebm.lean.embedded import InstallProgress, InstallStage
from leanebm.pipeline import (
    SHIPPED_HEAD,
    EnergyConfig,
    Part,
    Parts,
    ProofRun,
    RunConfig,
    RunSummary,
    SearchRun,
    StageFinished,
    StageProgressed,
    StageStarted,
    open_workbench,
    read_run_config,
    start_embedded_server,
    theorem_of,
    to_toml,
)
from leanebm.pipeline.evaluation.oracle import Oracle
from leanebm.pipeline.workbench import prepare_lean, sharing_lean
from leanebm.policy import PolicyClient, PolicyClientConfig
from leanebm.search import BestFirstSearch, NegativeEnergy, SearchProgress
from leanebm.testing import Answer, FakePolicyServer, sample_object


@pytest.fixture
def fake_lean() -> RunConfig:
    """Settings of a run over fake workers, with the real embedded policy server."""
    backend = CommandBackend(argv=fake_worker_argv())
    return RunConfig(lean=LeanPoolConfig(backend=backend, num_workers=1))


async def test_the_parts_are_started_told_of_and_work_together(fake_lean: RunConfig, observer: Any) -> None:
    theorem = Theorem(name="toy", statement="anything")
    sizes: list[int] = []

    class Watching:
        def on_expansion(self, progress: SearchProgress, node: Node) -> None:
            assert (progress.theorem, node.index) == (theorem, 0)
            sizes.append(len(progress.tree.nodes))

    async with open_workbench(fake_lean, observer) as bench:
        result = await bench.start_search(fake_lean.search, Watching()).run(theorem)
    # The fake worker knows none of the tactics that the template policy proposes.
    assert result.outcome is SearchOutcome.EXHAUSTED
    assert result.statistics.tactic_rejected == result.statistics.tactic_calls > 0
    stages = [event.stage for event in observer.events if isinstance(event, StageStarted)]
    assert stages == ["starting the policy server", "reaching the policy server", "starting a Lean worker"]
    assert stages == [event.stage for event in observer.events if isinstance(event, StageFinished)]
    assert sizes == [1]


async def test_runs_one_after_the_other_share_the_lean_that_the_first_one_starts(
    fake_lean: RunConfig, observer: Any
) -> None:
    def starts() -> int:
        return sum(isinstance(event, StageStarted) and "Lean worker" in event.stage for event in observer.events)

    async with sharing_lean() as opening:
        assert starts() == 0
        environments = set()
        for _ in range(2):
            async with opening(fake_lean, observer) as bench:
                environments.add(id(bench.environment))
                result = await bench.start_search(fake_lean.search).run(Theorem(name="toy", statement="anything"))
                assert result.outcome is SearchOutcome.EXHAUSTED
        assert (starts(), len(environments)) == (1, 1)
        sent = pickle.loads(pickle.dumps(opening))  # noqa: S301 - our own
    assert sent.func is open_workbench, "another process starts its own"


async def test_a_replayed_proof_is_certified(fake_lean: RunConfig) -> None:
    attempt = await ProofRun(fake_lean, theorem_of("P"), tactics=["step", "done"]).run()
    assert attempt.outcome == "proved"
    assert attempt.certificate is not None
    assert attempt.certificate.backend == "command"
    attempt = await ProofRun(fake_lean, theorem_of("P"), tactics=["sorry"]).run()
    assert not attempt.is_proved


async def test_a_search_survives_its_worker(fake_lean: RunConfig, tmp_path: Path) -> None:
    backend = CommandBackend(argv=fake_worker_argv(marker=tmp_path / "marker"))
    config = attrs.evolve(fake_lean, lean=attrs.evolve(fake_lean.lean, backend=backend))
    attempt = await ProofRun(config, theorem_of("P"), tactics=["step", "die once", "done"]).run()
    assert attempt.outcome == "proved"


def test_a_backend_of_ones_own_can_be_written_down(fake_lean: RunConfig, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(to_toml(fake_lean))
    assert read_run_config(path) == fake_lean


STATE = ProofState(goals=(Goal(text="⊢ True ∧ True", target="True ∧ True"),), key="k", ref=StateRef(0, 0))


async def test_it_answers_on_loopback_until_it_is_left() -> None:
    async with start_embedded_server(seed=3) as url:
        assert url.startswith("http://127.0.0.1:")
        async with PolicyClient(PolicyClientConfig(url=url)) as policy:
            candidates = await policy.propose(STATE, 4)
    assert len({candidate.tactic for candidate in candidates}) == len(candidates) > 0


async def test_equal_seeds_propose_the_same() -> None:
    async def proposed(seed: int) -> list[str]:
        async with start_embedded_server(seed=seed) as url, PolicyClient(PolicyClientConfig(url=url)) as policy:
            return [candidate.tactic for candidate in await policy.propose(STATE, 8)]

    assert await proposed(5) == await proposed(5)


def replace_install(monkeypatch: pytest.MonkeyPatch, install: Any) -> None:
    monkeypatch.setattr(leanebm.pipeline.workbench, "install", install)


async def test_progress_of_the_thread_arrives_on_the_loop(monkeypatch: pytest.MonkeyPatch, observer: Any) -> None:
    def install(progress: InstallProgress) -> None:
        progress(InstallStage.DOWNLOAD, 0.5)
        progress(InstallStage.COMPILE, None)

    replace_install(monkeypatch, install)
    loop_thread = threading.current_thread()
    threads = []
    observer.react = lambda _: threads.append(threading.current_thread())
    await prepare_lean(LeanPoolConfig.embedded(), observer)
    await asyncio.sleep(0)
    assert isinstance(observer.events[0], StageStarted)
    assert isinstance(observer.events[-1], StageFinished)
    assert [
        (event.step, event.done, event.total) for event in observer.events if isinstance(event, StageProgressed)
    ] == [
        ("downloading", 50, 100),
        ("compiling the REPL", None, None),
    ]
    assert set(threads) == {loop_thread}


async def test_cancelling_ends_the_installation_at_its_next_step(
    monkeypatch: pytest.MonkeyPatch, observer: Any
) -> None:
    started, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def install(progress: InstallProgress) -> None:
        try:
            started.set()
            may_go_on.wait()
            progress(InstallStage.UNPACK, None)
            pytest.fail("it went on")
        finally:
            ended.set()

    replace_install(monkeypatch, install)
    task = asyncio.create_task(prepare_lean(LeanPoolConfig.embedded(), observer))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    may_go_on.set()
    await asyncio.to_thread(ended.wait)
    assert [type(event) for event in observer.events] == [StageStarted]


async def test_what_is_wrong_is_raised(monkeypatch: pytest.MonkeyPatch, observer: Any) -> None:
    def install(_: InstallProgress) -> None:
        raise LeanInstallError("no network")

    replace_install(monkeypatch, install)
    with pytest.raises(LeanInstallError, match="no network"):
        await prepare_lean(LeanPoolConfig.embedded(), observer)


# --- which models answered is on record ---

_SILENT: dict[str, Any] = {"is_generation": True}
_ROUND_1 = {**_SILENT, "model_path": "prover", "weight_version": "round-1"}


async def _searched(run: RunConfig, folder: Path, model: Mapping[str, Any], *names: str, **more: Any) -> RunSummary:
    """Search with a server of its own, at an address of its own, that says it has ``model``."""
    async with FakePolicyServer() as server:
        server.offer_encoder()
        server.script("/model_info", then=Answer(json=model))
        server.script("/generate", then=Answer(json=[sample_object("no such tactic", -0.5)]))
        there = attrs.evolve(run, policy=attrs.evolve(run.policy, url=server.url))
        theorems = [Theorem(name=name, statement="anything") for name in names]
        return await SearchRun(there, theorems, folder, **more).run()


@pytest.mark.parametrize(
    ("model", "difference"),
    [
        ({"model_path": "another"}, r"\$\.config\.served\.policy\.model: 'another', not 'prover'"),
        ({"weight_version": "round-2"}, r"\$\.config\.served\.policy\.weights: 'round-2', not 'round-1'"),
        ({"leanebm": {"adapters": {"sharp": "ad2"}}}, r"served\.policy\.adapter_weights: 'ad2', not 'ad1'"),
    ],
)
async def test_a_run_is_not_resumed_with_another_model(
    fake_lean: RunConfig, tmp_path: Path, model: dict[str, Any], difference: str
) -> None:
    run = attrs.evolve(fake_lean, policy=PolicyClientConfig(url="http://h:1", adapter="sharp"))
    first = {**_ROUND_1, "leanebm": {"adapters": {"sharp": "ad1"}}}
    await _searched(run, tmp_path, first, "a")
    await _searched(run, tmp_path, first, "a", "b", resume=True)  # the same model elsewhere
    with pytest.raises(ConfigError, match=difference):
        await _searched(run, tmp_path, {**first, **model}, "a", "b", "c", resume=True)
    summary = await _searched(run, tmp_path, {**first, **model}, "a", "b", "c", resume_anyway=True)
    assert len(summary.records) == 3
    assert re.search(difference, "\n".join(summary.resumed_despite))


async def test_of_servers_that_say_nothing_each_is_another(fake_lean: RunConfig, tmp_path: Path) -> None:
    await _searched(fake_lean, tmp_path, _SILENT, "a")
    with pytest.raises(ConfigError, match=r"served\.policy\.url"):
        await _searched(fake_lean, tmp_path, _SILENT, "a", "b", resume=True)


async def test_the_encoder_that_a_part_asks_is_on_record(fake_lean: RunConfig) -> None:
    class Encoded:
        def __init__(self, encoder: StateEncoder) -> None:
            self.encoder = encoder

        async def energies(self, leaves: Sequence[Leaf]) -> list[float]:
            return [0.0 for _ in leaves]

    async with FakePolicyServer() as server:
        server.offer_encoder(weight_version="w2", dim=4)
        parts = Parts(energy_model=Encoded)
        run = attrs.evolve(fake_lean, parts=parts, policy=PolicyClientConfig(url=server.url))
        async with open_workbench(run) as bench:
            served = bench.served
        async with open_workbench(attrs.evolve(run, parts=Parts())) as bench:
            assert set(bench.served) == {"policy"}
    assert served["policy"] == {"api": "sglang", "model": None, "weights": "w2"}
    assert (served["encoder"]["weights"], served["encoder"]["dim"]) == ("w2", 4)
    assert json.loads(json.dumps(served)) == served


async def test_a_run_that_asks_no_server_records_none(fake_lean: RunConfig) -> None:
    class Silent:
        async def propose(self, state: ProofState, n: int) -> list[Candidate]:  # noqa: ARG002
            return []

    async with open_workbench(attrs.evolve(fake_lean, parts=Parts(policy=Silent()))) as bench:
        assert bench.served == {}


async def test_a_scorer_without_the_energies_that_it_reads_is_refused_before_anything_is_started(
    fake_lean: RunConfig, observer: Any
) -> None:
    with pytest.raises(ConfigError, match="reads energies"):
        async with open_workbench(attrs.evolve(fake_lean, scorer=NegativeEnergy()), observer):
            pytest.fail("it was opened")
    assert not observer.events


async def test_a_part_that_is_not_ready_is_refused_before_anything_is_started(
    fake_lean: RunConfig, tmp_path: Path, observer: Any
) -> None:
    config = attrs.evolve(fake_lean, scorer=Oracle(tmp_path))
    async with sharing_lean() as sharing:
        for opening in (open_workbench, sharing):
            with pytest.raises(ConfigError, match=r"Oracle: the oracle knows no proof.* @ \$\.scorer"):
                async with opening(config, observer):
                    pytest.fail("it was opened")
    assert not observer.events


class Unmakeable(Unasked):
    """A policy, an energy model and a search; its constructor raises when it is given 0."""

    def __init__(self, size: int = 1) -> None:
        if not size:
            raise RuntimeError("no room")

    async def run(self, theorem: Theorem) -> SearchResult:
        raise AssertionError(f"{theorem}")


class AsksEncoder(Unmakeable):
    def __init__(self, encoder: object, size: int = 1) -> None:
        super().__init__(size)
        assert encoder is not None


class Needy(BestFirstSearch):
    """Looks at what it is made of."""

    def __init__(self, *, room: bool = True, **parts: Any) -> None:
        super().__init__(**parts)
        if not room:
            raise RuntimeError("no room")
        assert hasattr(self.policy, "propose")
        assert self.energy is None or hasattr(self.energy, "energies")
        assert hasattr(self.environment, "open")
        assert hasattr(self.certifier, "certify")
        assert self.config.candidates_per_state == 3


@pytest.mark.parametrize(
    ("parts", "needs_server"),
    [
        (Parts(policy=Part(Unmakeable, {"size": 0})), False),
        (Parts(energy_model=Part(Unmakeable, {"size": 0})), False),
        (Parts(energy_model=Part(AsksEncoder, {"size": 0})), True),
        (Parts(encoder=Part(Unmakeable, {"size": 0})), False),
        (Parts(encoder=Part(AsksEncoder, {"size": 0})), True),
        (Parts(search=Part(Unmakeable, {"size": 0})), False),
        (Parts(search=Part(Needy, {"room": False})), False),
        (Parts(search=Part(Needy, {"room": False}), energy_model=Part(Unmakeable), policy=Part(Unmakeable)), False),
    ],
)
async def test_a_part_that_cannot_be_made_costs_no_start_of_lean_nor_of_a_server_that_it_does_not_ask(
    fake_lean: RunConfig, observer: Any, parts: Parts, needs_server: bool
) -> None:
    async with FakePolicyServer() as server:
        server.offer_encoder(weight_version="w2", dim=4)
        energy = EnergyConfig(path=None if parts.encoder is None else SHIPPED_HEAD)
        run = RunConfig(lean=fake_lean.lean, parts=parts, policy=PolicyClientConfig(url=server.url), energy=energy)
        config = attrs.evolve(run, search=fake_lean.search)
        async with sharing_lean() as sharing:
            for opening in (open_workbench, sharing):
                with pytest.raises(ConfigError, match=r"could not be made.*RuntimeError: no room"):
                    async with opening(config, observer):
                        pytest.fail("it was opened")
    stages = {event.stage for event in observer.events if isinstance(event, StageStarted)}
    assert not any("Lean" in each for each in stages)
    assert ("reaching the policy server" in stages) == needs_server


class Asking(BestFirstSearch):
    """Asks its policy something in its constructor, when that is not there yet."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.limit = parts["policy"].limit


async def test_a_search_that_asks_its_parts_something_when_it_is_made_is_told_that_it_is_on_trial(
    fake_lean: RunConfig,
) -> None:
    parts = Parts(search=Part(Asking), policy=Part(Unmakeable))
    with pytest.raises(ConfigError, match=r"(?s)no attribute 'limit'.*made on trial, of parts .*@ \$\.parts\.search"):
        async with open_workbench(attrs.evolve(fake_lean, parts=parts)):
            pytest.fail("it was opened")


def makes_nothing() -> Any:
    return None


async def test_what_makes_no_search_is_refused_before_anything_is_started(fake_lean: RunConfig, observer: Any) -> None:
    with pytest.raises(ConfigError, match=r"NoneType is not a search: it has no run @ \$\.parts\.search"):
        async with open_workbench(attrs.evolve(fake_lean, parts=Parts(search=Part(makes_nothing))), observer):
            pytest.fail("it was opened")
    assert not observer.events


@pytest.mark.parametrize("energy_model", [None, Part(Unmakeable)])
async def test_a_search_is_tried_with_parts_of_the_kinds_that_it_will_have(
    fake_lean: RunConfig, energy_model: Part[Any] | None
) -> None:
    search = attrs.evolve(fake_lean.search, candidates_per_state=3)
    parts = Parts(search=Part(Needy), policy=Part(Unmakeable), energy_model=energy_model)
    async with open_workbench(attrs.evolve(fake_lean, search=search, parts=parts)) as bench:
        bench.start_search(search)
