"""Whole iterations in a toy world, with the real encoder, heads and searches."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import toy_iteration as toy
from _tiny_llama import tiny_llama
from late_engine import LateEngine, five_died_at
from toy_iteration import CONFIG, THEOREMS, open_toy, toy_iteration

from leanebm.core import EncoderIdentity
from leanebm.data import CONTRASTIVE_FORMAT, read_contrastive_set, read_tactic_pairs
from leanebm.energy import load_checkpoint
from leanebm.energy.diagnostics import HeadReport
from leanebm.errors import ConfigError, LeanEbmError
from leanebm.pipeline import (
    FinetuneConfig,
    IterationManifest,
    NothingToLearn,
    Observer,
    Part,
    RunConfig,
    RunFolder,
    ShardsEngine,
    Share,
    StageRecord,
    Workbench,
    WorkbenchOpener,
    read_run_config,
    summarise_iteration,
)
from leanebm.pipeline.energy.counting_encoder import COUNTS, CountingEncoder
from leanebm.pipeline.iteration.aggregate import digest_of_groups, shortest_proofs
from leanebm.pipeline.iteration.config import IterationTheorems
from leanebm.pipeline.iteration.iteration_run import IterationRun, passes
from leanebm.policy import PolicyClientConfig
from leanebm.search import BreadthFirst, SearchBudget, SearchConfig
from leanebm.serve import HfBackend, HfConfig, PolicyServer, ServeConfig
from leanebm.storage import Shard
from leanebm.trajectory import AnytimeCurve, Cost, read_trajectory


def lasting(folder: Path) -> dict[str, Any]:
    """The manifest without what it cost."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    for stage in manifest["stages"]:
        del stage["cost"]
    return manifest


def stages_of(folder: Path) -> dict[str, StageRecord]:
    manifest = IterationManifest.read(folder)
    assert manifest is not None
    return {record.stage: record for record in manifest.stages}


async def test_every_round_has_its_arms_and_its_stages(iterated: Path) -> None:
    summary = summarise_iteration(iterated)
    assert [(row.round, row.arm) for row in summary.rows] == [
        (0, "frozen"),
        (0, "energy"),
        (1, "frozen"),
        (1, "energy"),
        (1, "sample-only"),
    ]
    assert {name.partition("/")[2] for name in stages_of(iterated) if name.startswith("rounds/")} == {
        f"{number}/{stage}"
        for number in (0, 1)
        for stage in ("aggregate", "evaluation", "gate", "head", "negatives", "tuning", "search/frozen")
        if (number, stage) != (1, "search/frozen")
    } | {"1/search/energy", "1/search/sample-only"}
    energy = summary.rows[3]
    assert energy.attempted == energy.of - summary.rows[0].proved
    assert energy.proved == summary.rows[0].proved + energy.new > summary.rows[0].proved


async def test_the_table_says_what_the_searches_found(iterated: Path) -> None:
    stages, rows = stages_of(iterated), summarise_iteration(iterated).rows
    for row in rows[1:3] + rows[3:]:
        arm = stages[f"rounds/{row.round}/evaluation"].result["arms"].get(row.arm)
        if arm is not None:
            records = read_trajectory(iterated / arm["folder"]).records
            assert row.judged_proved == sum(record.certificate is not None for record in records)
            assert row.judged_of == len(records) == len(THEOREMS.test)
    proved = {
        record.theorem.name: len(record.certificate.tactics)
        for name in ("rounds/0/search/frozen", "rounds/1/search/energy")
        for record in read_trajectory(iterated / name).records
        if record.certificate is not None
    }
    assert rows[3].mean_length == pytest.approx(sum(proved.values()) / len(proved))
    diagnosis = HeadReport.read(iterated / "rounds/1/head")
    assert rows[3].sibling_accuracy == diagnosis.metrics["pairwise_sibling"].value


async def test_the_arm_that_only_samples_learns_nothing_and_tries_as_much(iterated: Path) -> None:
    stages = stages_of(iterated)
    first = stages["rounds/0/search/frozen"]
    for name in ("rounds/1/search/sample-only", stages["rounds/1/evaluation"].result["arms"]["sample-only"]["folder"]):
        config = read_run_config(RunFolder(iterated / name).config)
        assert config.energy.path is None
        assert config.seed == CONFIG.run.seed + 1
        assert config.policy == CONFIG.run.sampled_anew(1).policy != CONFIG.run.policy
        assert all(row.energy is None for row in read_trajectory(iterated / name).rows())
    sampled, learnt = stages["rounds/1/search/sample-only"], stages["rounds/1/search/energy"]
    assert sampled.result["budget"] == learnt.result["budget"] == 2 * first.result["budget"]
    assert sampled.result["attempted"] == learnt.result["attempted"]


async def test_the_search_after_a_head_was_adopted_uses_it(iterated: Path) -> None:
    assert stages_of(iterated)["rounds/0/gate"].result["is_adopted"]
    config = read_run_config(RunFolder(iterated / "rounds/1/search/energy").config)
    assert config.energy.path == iterated / "rounds/0/head"
    assert any(row.energy is not None for row in read_trajectory(iterated / "rounds/1/search/energy").rows())


async def test_the_policy_gets_the_shortest_proofs_of_all_rounds(iterated: Path) -> None:
    pairs = read_tactic_pairs(iterated / "rounds/1/aggregate/proofs.jsonl")
    assert len({pair.theorem.name for pair in pairs}) == stages_of(iterated)["rounds/1/aggregate"].result["proofs"]


async def test_proved_theorems_may_be_searched_again_for_shorter_proofs(tmp_path: Path) -> None:
    config = attrs.evolve(EASY, rounds=2, search_proved_again=True)
    first, _, _, again, _ = (await IterationRun(config, THEOREMS, tmp_path, opening=open_toy).run()).rows
    assert again.attempted == first.attempted == len(THEOREMS.train)
    assert 0 < first.proved <= again.proved
    assert again.new == again.proved - first.proved
    found = shortest_proofs([tmp_path / "rounds/0/search/frozen", tmp_path / "rounds/1/search/energy"])
    assert again.mean_length == pytest.approx(sum(proof.num_steps for proof in found) / len(found))


# --- killing ---


async def test_an_iteration_that_is_killed_again_and_again_goes_on_and_ends_the_same(
    iterated: Path, tmp_path: Path
) -> None:
    def go_on(event: int) -> int:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(Path(toy.__file__)), str(tmp_path / "killed"), str(event)]
        return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode

    assert [go_on(event) for event in (30, 400, 300, 500)] == [-signal.SIGKILL] * 4
    for name in (".manifest.json-a.part", "rounds/0/head/.stage.json-a.part", "baseline/.tuned.toml-a.part"):
        path = tmp_path / "killed" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    assert go_on(0) == 0
    assert lasting(tmp_path / "killed") == lasting(iterated)
    names = [path.name for path in (tmp_path / "killed").rglob("*") if path.name.endswith((".tmp", ".part"))]
    assert names == []


def start(folder: Path, how: str, event: int = 0) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, toy.__file__, str(folder), str(event), how]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_workers_that_join_help_outlive_no_iteration_and_it_ends_the_same(iterated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    for event in (250, 0):
        (folder / "alive").unlink(missing_ok=True)  # the killed driver's; the next one may take long to show itself
        with start(folder, "shards", event) as driver:
            while driver.poll() is None and not (folder / "alive").exists():
                time.sleep(0.01)
            with start(folder, "join") as helper:
                driver.communicate()
                output, errors = helper.communicate()
        if event:
            assert driver.returncode == -signal.SIGKILL
            assert helper.returncode == 1
            assert "no sign of life" in errors
        else:
            assert (driver.returncode, helper.returncode) == (0, 0)
            assert int(output.split()[1]) > 0, "it searched something"
    assert lasting(folder) == lasting(iterated)
    assert not (folder / "alive").exists()


async def test_a_theorem_that_killed_five_workers_is_broken_says_so_and_teaches_nothing(tmp_path: Path) -> None:
    name, stage = THEOREMS.train[0].name, "rounds/0/search/frozen"
    five_died_at(tmp_path / stage, name)
    config = attrs.evolve(EASY, rounds=1)
    run = partial(IterationRun, config, THEOREMS, tmp_path, engine=ShardsEngine(expires_s=5.0), opening=open_toy)
    summary = await run().run()
    assert [note for note in summary.notes if note.startswith(f"{stage}: 1 of its searches broke")]
    assert stages_of(tmp_path)[stage].result["broken"] == 1
    [lost] = (record for record in read_trajectory(tmp_path / stage).records if not record.is_final)
    assert (lost.theorem.name, lost.outcome.value) == (name, "infrastructure")
    aggregate = tmp_path / "rounds/0/aggregate"
    groups = read_contrastive_set(aggregate / "groups").rows()
    assert name not in {group.theorem for group in groups}
    assert name not in {pair.theorem.name for pair in read_tactic_pairs(aggregate / "proofs.jsonl")}
    before = lasting(tmp_path)
    await run(resume=True).run()
    assert lasting(tmp_path) == before


async def test_a_proof_that_a_worker_brings_who_was_taken_for_dead_changes_no_iteration(tmp_path: Path) -> None:
    name, stage = "t4", "rounds/0/search/frozen"
    config = attrs.evolve(EASY, replay_proofs=True)
    run = partial(IterationRun, config, THEOREMS, tmp_path, opening=open_toy)
    async with LateEngine(name) as engine:
        await run(engine=engine).run()
        before = lasting(tmp_path)
        await engine.end()
        assert name in {path.stem for path in (tmp_path / stage / "proofs").glob("*.lean")}, "it was proved"
        await run(engine=ShardsEngine(expires_s=5.0), resume=True).run()
        assert lasting(tmp_path) == before
        assert name not in {proof.theorem.name for proof in shortest_proofs([tmp_path / stage])}


async def test_an_iteration_that_is_done_starts_nothing(iterated: Path) -> None:
    @asynccontextmanager
    async def refuse(_: RunConfig, __: Observer) -> AsyncIterator[Workbench]:
        raise AssertionError("there was nothing to search")
        yield

    before = lasting(iterated)
    await IterationRun(CONFIG, THEOREMS, iterated, resume=True, opening=refuse).run()
    assert lasting(iterated) == before


async def test_more_rounds_may_follow(iterated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "longer"
    shutil.copytree(iterated, folder)
    before = lasting(folder)["stages"]
    longer = attrs.evolve(CONFIG, rounds=3, replay_proofs=True)
    summary = await IterationRun(longer, THEOREMS, folder, resume=True, opening=open_toy).run()
    assert summary.rows[-1].round == 2
    assert lasting(folder)["stages"][: len(before)] == before


# --- what is refused ---


async def test_a_share_of_a_round_and_joining_nobody_are_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="@ --shard"):
        await toy_iteration(tmp_path / "out", engine=ShardsEngine(share=Share(1, 2))).run()
    with pytest.raises(ConfigError, match="--engine shards @ --join"):
        await toy_iteration(tmp_path / "out", joins=True).run()
    with pytest.raises(LeanEbmError, match="no sign of life"):
        await toy_iteration(tmp_path / "out", engine=ShardsEngine(expires_s=0.1), joins=True).run()
    assert not (tmp_path / "out").exists()


async def test_who_joins_another_iteration_is_refused(iterated: Path) -> None:
    other = attrs.evolve(CONFIG, budget_growth=3.0)
    with pytest.raises(ConfigError, match=r"choose another.*\n  - \$\.budget_growth: 3.0, not 2.0"):
        await IterationRun(other, THEOREMS, iterated, engine=ShardsEngine(), joins=True, opening=open_toy).run()


async def test_a_folder_is_gone_on_with_only_if_it_was_asked_for(iterated: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds an iteration\n.*--resume"):
        await toy_iteration(iterated).run()


async def test_a_searchs_folder_keeps_its_settings(tmp_path: Path) -> None:
    (tmp_path / "trajectory" / "part-000000.parquet").mkdir(parents=True)
    (tmp_path / "config.toml").write_text("seed = 7")
    with pytest.raises(ConfigError, match="holds results of leanebm search"):
        await toy_iteration(tmp_path).run()
    assert (tmp_path / "config.toml").read_text() == "seed = 7"


async def test_another_iteration_is_not_gone_on_with(iterated: Path) -> None:
    other = attrs.evolve(CONFIG, budget_growth=3.0)
    fewer = attrs.evolve(THEOREMS, test=THEOREMS.test[1:])
    with pytest.raises(ConfigError, match=r"choose another.*\n  - \$\.budget_growth: 3.0, not 2.0"):
        await IterationRun(other, THEOREMS, iterated, resume=True, opening=open_toy).run()
    with pytest.raises(ConfigError, match=r"\$.theorems.test"):
        await IterationRun(CONFIG, fewer, iterated, resume=True, opening=open_toy).run()


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("baseline/validation/*/arms/alpha*/trajectory", "baseline, tuning"),
        ("rounds/0/search/frozen/trajectory", "round 0, search, frozen"),
        ("rounds/0/search/frozen/trajectory/*.parquet", "round 0, search, frozen"),
        ("rounds/0/negatives/groups", "round 0, negatives"),
        ("rounds/0/aggregate/groups/*.parquet", "round 0, aggregate"),
        ("rounds/0/aggregate/proofs.jsonl", "round 0, aggregate"),
        ("rounds/0/head/*.safetensors", "round 0, head"),
        ("rounds/0/validation/*/arms/*beta*/trajectory", "round 0, tuning"),
        ("rounds/0/validation/*/arms/challenger/trajectory", "round 0, gate"),
        ("rounds/0/test/*/arms/energy/trajectory", "round 0, evaluation"),
    ],
)
async def test_what_a_done_stage_found_and_is_gone_or_was_edited_is_named(
    iterated: Path, tmp_path: Path, file: str, stage: str
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(iterated, folder)
    found = next(folder.glob(file))
    if found.is_dir():
        shutil.rmtree(found)
    elif found.suffix == ".jsonl":
        found.write_text(found.read_text().replace("t", "T", 1))
    else:
        found.unlink()
    said = rf"^{stage} is done, and .*changed does not hold what it found: (.|\n)*restore the files of .*, or delete it"
    with pytest.raises(ConfigError, match=said):
        await toy_iteration(folder, resume=True).run()


def with_other_text(shard: Path) -> str:
    """Change a word of a group in a shard, and nothing that is counted; returns the digest of the groups there now."""
    found = read_contrastive_set(shard)
    [before] = found.shards
    first, *rest = found.rows()
    groups = [attrs.evolve(first, positive_text=first.positive_text + " "), *rest]
    Shard.write(shard, CONTRASTIVE_FORMAT, before.run, before.records, groups)
    return digest_of_groups(read_contrastive_set(shard.parent).rows())


@pytest.mark.parametrize("stage", ["negatives", "aggregate"])
async def test_a_changed_group_is_noticed_where_as_many_are_there(iterated: Path, tmp_path: Path, stage: str) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(iterated, folder)
    with_other_text(next(folder.glob(f"rounds/0/{stage}/groups/*.parquet")))
    said = rf"^round 0, {stage} is done, and .*does not hold what it found: some of it is another now"
    with pytest.raises(ConfigError, match=said):
        await toy_iteration(folder, resume=True).run()


async def test_a_stage_that_was_changed_afterwards_is_noticed(iterated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(iterated, folder)
    record = StageRecord.read(folder / "rounds/0/negatives")
    assert record is not None
    [shard] = (folder / "rounds/0/negatives/groups").glob("*.parquet")
    other = with_other_text(shard)
    attrs.evolve(record, output=other).write(folder / "rounds/0/negatives")
    said = r"rounds/0/aggregate was made from other rounds/0/negatives.*\n.*delete it, validation and test beside it"
    with pytest.raises(ConfigError, match=said):
        await toy_iteration(folder, resume=True).run()
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match=r"delete this file and go on with --resume"):
        await toy_iteration(folder, resume=True).run()
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "rounds/0/negatives")
    await toy_iteration(folder, resume=True).run()
    assert lasting(folder) == lasting(iterated)


def test_theorems_are_in_one_set_only() -> None:
    with pytest.raises(ConfigError, match="no validation theorems"):
        IterationTheorems(train=THEOREMS.train, validation=())
    twice = attrs.evolve(THEOREMS.train[0], name="another")
    with pytest.raises(ConfigError, match="'another' of validation has the statement of a theorem of train"):
        IterationTheorems(train=THEOREMS.train, validation=(twice,))


# --- judging ---


@asynccontextmanager
async def open_with_planted_head(config: RunConfig, observer: Observer) -> AsyncIterator[Workbench]:
    """Whatever a head has learnt, a search with it goes breadth-first, which never gets far."""
    async with open_toy(config, observer) as bench:
        yield bench if config.energy.path is None else attrs.evolve(bench, scorer=BreadthFirst())


EASY = attrs.evolve(
    CONFIG,
    rounds=1,
    run=attrs.evolve(CONFIG.run, search=SearchConfig(budget=SearchBudget(max_expansions=20))),
    betas=(1.0e3,),
    replay_proofs=False,
)


async def test_a_head_that_proves_fewer_is_refused(tmp_path: Path) -> None:
    summary = await IterationRun(EASY, THEOREMS, tmp_path, opening=open_with_planted_head).run()
    gate = stages_of(tmp_path)["rounds/0/gate"].result
    assert gate["proved"]["challenger"] < gate["proved"]["incumbent"]
    assert gate["areas"]["challenger"] < gate["areas"]["incumbent"]
    assert gate["adopted"] == "incumbent"
    assert [row.beta for row in summary.rows] == [None, None]
    assert any("the new head was refused" in note for note in summary.notes)


def curve(*spent: float) -> AnytimeCurve:
    return AnytimeCurve(cost=Cost.EXPANSIONS, spent={f"n{number}": each for number, each in enumerate(spent)})


NEVER = math.inf


@pytest.mark.parametrize(
    ("challenger", "incumbent", "gate_p", "expected"),
    [
        # As much, by other theorems; and what is proved before a quarter of the budget is not told apart.
        (curve(4, NEVER), curve(NEVER, 4), 1.0, True),
        (curve(1, 4), curve(4, 1), 1.0, True),
        # As many with the whole budget, but later; one more with the whole budget, but the others later.
        (curve(16, 15), curve(8, 8), 1.0, False),
        (curve(15, 15, 15), curve(4, 4, NEVER), 1.0, False),
        # Fewer with the whole budget, but sooner.
        (curve(4, 4, NEVER), curve(15, 15, 15), 1.0, True),
        # One later proves little, six of six do: p is 1, and 2 / 64.
        (curve(8, 5), curve(7, 5), 0.05, True),
        (curve(*[8] * 6), curve(*[7] * 6), 0.05, False),
        (curve(*[8] * 6), curve(*[7] * 6), 0.01, True),
        # Nothing was proved.
        (curve(NEVER), curve(NEVER), 1.0, True),
        (curve(), curve(), 1.0, True),
    ],
)
def test_a_head_passes_unless_it_proves_later(
    challenger: AnytimeCurve, incumbent: AnytimeCurve, gate_p: float, expected: bool
) -> None:
    assert passes(challenger, incumbent, 16, gate_p) is expected


async def test_heads_on_an_encoder_of_ones_own_are_searched_with_it(tmp_path: Path) -> None:
    config = attrs.evolve(EASY, head=attrs.evolve(EASY.head, encoder=Part(CountingEncoder)))
    await IterationRun(config, THEOREMS, tmp_path, opening=open_toy).run()
    for arm, encoder in (("alone", None), ("challenger", Part(CountingEncoder))):
        [folder] = tmp_path.glob(f"rounds/0/validation/*/arms/{arm}")
        assert read_run_config(RunFolder(folder).config).parts.encoder == encoder
    assert load_checkpoint(tmp_path / "rounds/0/head").header.encoder == COUNTS


class Unready:
    """An encoder without its table."""

    @staticmethod
    def check_ready() -> None:
        raise ValueError("there is no table")

    async def identity(self) -> EncoderIdentity:
        raise AssertionError

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        raise AssertionError(f"{texts}")


async def test_an_encoder_that_is_not_ready_costs_no_round(tmp_path: Path) -> None:
    config = attrs.evolve(EASY, head=attrs.evolve(EASY.head, encoder=Unready))
    with pytest.raises(ConfigError, match=r"Unready: there is no table @ \$\.head\.encoder"):
        await IterationRun(config, THEOREMS, tmp_path, opening=open_toy).run()
    assert not list(tmp_path.iterdir())


class Fails:
    """An encoder that cannot be made, does not start, or gives no vectors."""

    def __init__(self, how: str) -> None:
        self.how = how
        if how == "made":
            raise RuntimeError("no room")

    async def __aenter__(self) -> Fails:
        if self.how == "started":
            raise RuntimeError("no model")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def identity(self) -> EncoderIdentity:
        return EncoderIdentity(model="mine", pooling="mean", is_normalized=False, dim=2)

    async def encode(self, texts: Sequence[str]) -> Sequence[array[float]]:
        return [array("f", [1.0]) for _ in texts]


@pytest.mark.parametrize(
    ("how", "said"),
    [("made", "could not be made.*no room"), ("started", "no model"), ("asked", "one vector per text|dim of its")],
)
async def test_an_encoder_that_does_not_work_costs_no_round(
    tmp_path: Path, how: str, said: str, never: WorkbenchOpener
) -> None:
    config = attrs.evolve(EASY, head=attrs.evolve(EASY.head, encoder=Part(Fails, {"how": how})))
    with pytest.raises(LeanEbmError, match=said):
        await IterationRun(config, THEOREMS, tmp_path, opening=never).run()
    assert not list(tmp_path.iterdir())


async def test_where_there_is_nothing_to_learn_from_no_head_is_trained(tmp_path: Path) -> None:
    budget = SearchConfig(budget=SearchBudget(max_expansions=1))
    config = attrs.evolve(CONFIG, run=attrs.evolve(CONFIG.run, search=budget), max_expansions=1)
    summary = await IterationRun(config, THEOREMS, tmp_path, opening=open_toy).run()
    assert not (tmp_path / "rounds/0/head").exists()
    starts = [f"round {number}: no head was trained" for number in (0, 1)]
    assert all(note.startswith(start) for note, start in zip(summary.notes[:2], starts, strict=True))
    assert [note.partition(",")[0] for note in summary.notes[2:]] == [
        "round 1: energy beside frozen: +0 -0",
        "round 1: energy beside sample-only: +0 -0",
    ]
    assert {row.beta for row in summary.rows} == {None}


@attrs.frozen
class Hotter:
    """A policy that learns, with some effort, nothing but to be asked at another temperature."""

    async def learn(
        self, aggregate: str | os.PathLike[str], folder: str | os.PathLike[str], run: RunConfig
    ) -> RunConfig:
        assert read_tactic_pairs(Path(aggregate) / "proofs.jsonl")
        assert Path(folder).name == "policy"
        began = time.process_time()
        while time.process_time() < began + 0.3:
            pass
        return attrs.evolve(run, policy=attrs.evolve(run.policy, temperature=0.5))


async def test_a_policy_that_learns_has_arms_of_its_own(tmp_path: Path) -> None:
    config = attrs.evolve(EASY, betas=(0.5,))
    summary = await IterationRun(config, THEOREMS, tmp_path, policy_step=Hotter(), opening=open_toy).run()
    assert [row.arm for row in summary.rows] == ["frozen", "policy", "policy+energy"]
    stages = stages_of(tmp_path)
    assert stages["rounds/0/policy"].cost["cpu_s"] >= 0.3
    if stages["rounds/0/gate"].result["is_adopted"]:
        arms = stages["rounds/0/evaluation"].result["arms"]
        temperatures = {
            arm: read_run_config(RunFolder(tmp_path / arms[arm]["folder"]).config).policy.temperature for arm in arms
        }
        assert temperatures == {"frozen": 1.0, "policy": 0.5, "policy+energy": 0.5}


@attrs.frozen
class Lost:
    """A policy that can learn nothing from what it is shown."""

    async def learn(self, aggregate: object, folder: object, run: RunConfig) -> RunConfig:  # noqa: ARG002
        raise NothingToLearn("all states are the same:", ["one", "two"])


class Elsewhere(Hotter):
    """A policy whose server is another's."""

    async def check_server(self, run: RunConfig) -> None:
        raise ConfigError(f"{run.policy.url} serves another model")


async def test_a_server_of_another_model_costs_no_round(tmp_path: Path, never: WorkbenchOpener) -> None:
    with pytest.raises(ConfigError, match="serves another model"):
        await IterationRun(EASY, THEOREMS, tmp_path, policy_step=Elsewhere(), opening=never).run()
    assert not list(tmp_path.iterdir())


async def test_a_policy_that_can_learn_nothing_is_a_note_and_the_round_goes_on(tmp_path: Path) -> None:
    note = "round 0: the policy did not learn: all states are the same: one; two"
    for resume in (False, True):
        run = IterationRun(EASY, THEOREMS, tmp_path, policy_step=Lost(), opening=open_toy, resume=resume)
        summary = await run.run()
        assert note in summary.notes
        assert [row.arm for row in summary.rows] == ["frozen", "policy", "policy+energy"]


async def test_proofs_of_too_few_theorems_for_a_policy_are_a_note(tmp_path: Path) -> None:
    budget = SearchConfig(budget=SearchBudget(max_expansions=1))
    config = attrs.evolve(EASY, run=attrs.evolve(EASY.run, search=budget), max_expansions=1, one_tactic_share=0.0)
    summary = await IterationRun(config, THEOREMS, tmp_path, policy_step=Hotter(), opening=open_toy).run()
    assert any(
        note.startswith("round 0: the policy did not learn: it takes proofs of 2 theorems or more; there were")
        for note in summary.notes
    )


async def test_with_settings_of_a_fine_tuning_the_policy_learns_beside_the_head(tmp_path: Path) -> None:
    tiny = tiny_llama(tmp_path / "tiny")
    async with PolicyServer(ServeConfig(), HfBackend(HfConfig(model=str(tiny)))) as server:
        config = attrs.evolve(
            EASY,
            run=attrs.evolve(EASY.run, policy=PolicyClientConfig(url=server.url)),
            finetune=FinetuneConfig(model=str(tiny), max_steps=2, evaluations=1, probe_states=8),
        )
        await IterationRun(config, THEOREMS, tmp_path / "out", opening=open_toy).run()
        before = lasting(tmp_path / "out")
        await IterationRun(config, THEOREMS, tmp_path / "out", resume=True, opening=open_toy).run()
    assert lasting(tmp_path / "out") == before
    assert [row.arm for row in summarise_iteration(tmp_path / "out").rows] == ["frozen", "policy", "policy+energy"]
    [searched] = [read_run_config(path).policy.adapter for path in (tmp_path / "out").rglob("challenger/config.toml")]
    assert str(searched).startswith("policy-")
    assert read_run_config(RunFolder(tmp_path / "out/rounds/0/search/frozen").config).policy.adapter is None
